package io.github.lars4j.bench;

/** Main class of a JVM that does the default run in a hurry, to be watched from outside. */
public final class QuickRun {

    private static final DefaultRun.Timing HURRY = new DefaultRun.Timing(1, 1, 20, 1, 20);

    private QuickRun() {}

    public static void main(String[] args) throws Exception {
        System.exit(DefaultRun.run(args, HURRY, HURRY, System.out, System.err));
    }
}
