package io.github.lars4j.spark;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Frees what a step has used on the executors. That this fails is no reason for the step to fail, which is done. */
final class Freeing {

    private static final Logger LOG = LoggerFactory.getLogger(Freeing.class);

    private Freeing() {}

    static void quietly(Runnable free) {
        try {
            free.run();
        } catch (RuntimeException e) {
            LOG.warn("could not free what a step has used", e);
        }
    }
}
