package io.github.lars4j;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.HashSet;
import java.util.Set;

/** What threads have allocated, for tests that a step allocates nothing. */
public final class Allocation {

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private Allocation() {}

    /** Returns the bytes that these threads and the current thread have allocated. */
    public static long bytes(long[] ids) {
        long bytes = THREADS.getCurrentThreadAllocatedBytes();
        for (long id : ids) {
            bytes += THREADS.getThreadAllocatedBytes(id);
        }
        return bytes;
    }

    /** Returns the threads of all optimizers. */
    public static Set<Long> workers() {
        Set<Long> ids = new HashSet<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().matches("lars4j-\\d+")) {
                ids.add(thread.threadId());
            }
        }
        return ids;
    }
}
