package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.github.lars4j.Allocation;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.StepReport;
import io.github.lars4j.Warmup;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Steps after the first allocate nothing, neither on the calling thread nor on the optimizer's threads; nor do schedules.
 *
 * <p>The bytes are counted over windows of steps, and at least one window must have none. The JVM itself allocates now
 * and then, when it compiles or deoptimizes code, but not in every window; allocation by a step would appear in every
 * window.
 */
@Tag("no-mutants")
class AllocationTest {

    private static final String KERNELS = "lars4j.kernels";
    private static final int STEPS = 50;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** Uses all its arguments; the optimizers with carried sums have this rule. */
    private static final Rule OWN = Rule.of(
                    "sum",
                    Rule.Entry.VELOCITY,
                    false,
                    (weightNorm, gradientNorm, products, trustCoefficient, weightDecay, learningRate, layer, step) ->
                            Double.isNaN(products) && layer >= 0 && step >= 0 && learningRate >= 0
                                    ? trustCoefficient * weightNorm / (gradientNorm + weightDecay * weightNorm)
                                    : Double.NaN)
            .withRatioBounds(0, 50)
            .withGradientClip(1e-3, 1e-3);

    private static final double[] RATIOS = {Double.NaN, 2, Double.NaN};

    private interface Step {
        void take(Lars lars, float[] params, float[] gradients, Gradients known);
    }

    @Test
    void scalarStepsAllocateNothing() {
        for (int parallelism : new int[] {1, 3}) {
            for (OnBadGradient policy : OnBadGradient.values()) {
                for (boolean carry : new boolean[] {false, true}) {
                    check("scalar", parallelism, policy, carry);
                }
            }
        }
    }

    /**
     * Vectors are objects until C2 has compiled the kernels, which takes some windows. After that there are no objects.
     */
    @Test
    void compiledVectorStepsAllocateNothing() {
        for (int parallelism : new int[] {1, 3}) {
            check("vector", parallelism, OnBadGradient.SKIP_LAYER, true);
        }
    }

    /** Groups that overlap, schedules, momentum of some layers in some steps, and clipping by group. */
    @Test
    void stepsWithGroupsAllocateNothing() {
        for (OnBadGradient policy : OnBadGradient.values()) {
            for (boolean clip : new boolean[] {false, true}) {
                String name = policy + (clip ? ", groups, one of which clips" : ", groups");
                check(
                        name,
                        "scalar",
                        2,
                        policy,
                        true,
                        builder -> builder.nesterov(false)
                                .dampening(0.1)
                                .weightDecay(Schedule.steps(1e-4, 0.5, 7, 30))
                                .momentumCorrection(true)
                                .trustCoefficient(step -> step % 2 == 0 ? 0.01 : 0.02)
                                .group("ends", Pattern.compile("a|c"), s -> s.momentum(step -> step % 3 == 0 ? 0 : 0.9))
                                .group(
                                        "first",
                                        Pattern.compile("a|b"),
                                        s -> s.rateFactor(0.1).learningRate(Schedule.polynomial(1, 2, 10_000)))
                                .group("clip", Pattern.compile("b|c"), s -> clip ? s.maxGradientNorm(1) : s),
                        (lars, params, gradients, known) -> {
                            known.scale(0.5).missing(1, lars.steps() % 3 == 0);
                            StepReport report = lars.step(params, known);
                            assertTrue(report.gradientNorm("first") > 0);
                            assertEquals(clip, report.clipScale("clip") < 1);
                        });
            }
        }
    }

    private static void check(String kernels, int parallelism, OnBadGradient policy, boolean carry) {
        String name = kernels + " kernels, " + parallelism + " threads, " + policy + (carry ? ", carried sums" : "");
        check(name + ", array", kernels, parallelism, policy, carry, (lars, params, gradients, known) -> {
            lars.step(params, gradients);
        });
        check(name + ", trust ratios", kernels, parallelism, policy, carry, (lars, params, gradients, known) -> {
            RATIOS[0] = lars.steps() % 2 == 0 ? 0.5 : Double.NaN;
            known.trustRatios(RATIOS);
            lars.step(params, known);
        });
        check(name + ", Gradients", kernels, parallelism, policy, carry, (lars, params, gradients, known) -> {
            known.scale(0.5).missing(1, lars.steps() % 3 == 0);
            lars.step(params, known);
        });
        if (policy != OnBadGradient.THROW) {
            check(name + ", NaN", kernels, parallelism, policy, carry, (lars, params, gradients, known) -> {
                gradients[5] = Float.NaN;
                assertTrue(lars.step(params, known).anyBad());
            });
        }
    }

    private static void check(
            String name, String kernels, int parallelism, OnBadGradient policy, boolean carry, Step step) {
        check(name, kernels, parallelism, policy, carry, builder -> builder, step);
    }

    private static void check(
            String name,
            String kernels,
            int parallelism,
            OnBadGradient policy,
            boolean carry,
            UnaryOperator<Lars.Builder> with,
            Step step) {
        Layers layers = Layers.builder()
                .add("a", 30_000)
                .add("b", 64, Treatment.PLAIN)
                .add("c", 70_000)
                .build();
        float[] params = new float[(int) layers.end()];
        float[] gradients = new float[params.length];
        Arrays.fill(params, 1);
        Arrays.fill(gradients, 0.01f);
        Gradients known = Gradients.of(gradients);
        Set<Long> others = Allocation.workers();
        try (Lars lars = build(layers, kernels, parallelism, policy, carry, with)) {
            List<Long> own = new ArrayList<>(Allocation.workers());
            own.removeAll(others);
            assertEquals(parallelism - 1, own.size(), "threads of the optimizer");
            long[] ids = own.stream().mapToLong(Long::longValue).toArray();
            step.take(lars, params, gradients, known);
            int windows = kernels.equals("vector") ? 400 : 4;
            long least = Long.MAX_VALUE;
            for (int window = 0; window < windows && least > 0; window++) {
                long before = Allocation.bytes(ids);
                for (int i = 0; i < STEPS; i++) {
                    step.take(lars, params, gradients, known);
                }
                least = Math.min(least, Allocation.bytes(ids) - before);
            }
            assertEquals(0, least, () -> "bytes in " + STEPS + " steps: " + name);
        }
    }

    /** Those without a cosine, and with the powers 1 and 2: for others, StrictMath allocates. */
    @Test
    void schedulesAllocateNothing() {
        Schedule all = Schedule.constant(1)
                .then(10, Schedule.polynomial(3, 2, 10, 1).warmup(5))
                .then(25, Schedule.polynomial(3, 1, 10).warmup(Warmup.timm(0.1, 5)))
                .then(40, Schedule.steps(3, 0.5, 2, 5))
                .then(60, Schedule.piecewiseLinear(new long[] {1, 4, 9}, new double[] {3, 1, 2}));
        long[] others = {};
        long least = Long.MAX_VALUE;
        double sum = 0;
        for (int window = 0; window < 4; window++) {
            long before = Allocation.bytes(others);
            for (int step = 0; step < 80; step++) {
                sum += all.rate(step);
            }
            least = Math.min(least, Allocation.bytes(others) - before);
        }
        assertEquals(0, least, "bytes in 80 rates");
        assertTrue(sum > 0);
    }

    /** A change that turns momentum on allocates the buffer, so that the next step need not. */
    @Test
    void momentumIsAllocatedByTheChange() {
        Layers layers = Layers.builder().add("a", 100_000).build();
        float[] params = new float[100_000];
        float[] gradients = new float[100_000];
        Arrays.fill(params, 1);
        UnaryOperator<Lars.Builder> without = builder -> builder.nesterov(false).momentum(0);
        long[] none = {};
        long least = Long.MAX_VALUE;
        for (int k = 0; k < 4 && least > 0; k++) {
            try (Lars lars = build(layers, "scalar", 1, OnBadGradient.THROW, false, without)) {
                for (int i = 0; i < STEPS; i++) {
                    lars.step(params, gradients);
                }
                long before = Allocation.bytes(none);
                lars.change(s -> s.momentum(0.9));
                long after = Allocation.bytes(none);
                assertTrue(after - before >= 400_000);
                lars.step(params, gradients);
                least = Math.min(least, Allocation.bytes(none) - after);
            }
        }
        assertEquals(0, least, "bytes of the first step with momentum");
    }

    private static Lars build(
            Layers layers,
            String kernels,
            int parallelism,
            OnBadGradient policy,
            boolean carry,
            UnaryOperator<Lars.Builder> with) {
        String before = System.setProperty(KERNELS, kernels);
        try {
            Lars lars = with.apply(Lars.builder(layers)
                            .learningRate(1)
                            .rule(carry ? OWN : Dialects.PAPER)
                            .weightDecay(1e-4)
                            .momentum(0.9)
                            .nesterov(true)
                            .onBadGradient(policy)
                            .carrySums(carry)
                            .parallelism(parallelism))
                    .build();
            assertTrue(lars.kernels().startsWith(kernels));
            return lars;
        } finally {
            if (before == null) {
                System.clearProperty(KERNELS);
            } else {
                System.setProperty(KERNELS, before);
            }
        }
    }

    /** Tests the count itself: it sees 16 bytes per step on this thread and on another. */
    @Test
    void allocationsAreSeen() {
        assertTrue(THREADS.isThreadAllocatedMemoryEnabled());
        Object[] kept = new Object[STEPS];
        long before = Allocation.bytes(new long[0]);
        for (int i = 0; i < STEPS; i++) {
            kept[i] = new Object[0];
        }
        long bytes = Allocation.bytes(new long[0]) - before;
        assertTrue(bytes >= 16L * STEPS, () -> "seen of " + kept.length + " objects: " + bytes);
        Set<Long> others = Allocation.workers();
        try (Crew crew = new Crew(2)) {
            Set<Long> own = Allocation.workers();
            own.removeAll(others);
            long id = own.iterator().next();
            assertFalse(own.contains(Thread.currentThread().threadId()));
            long workerBefore = THREADS.getThreadAllocatedBytes(id);
            crew.run(thread -> kept[thread] = new long[8]);
            assertTrue(THREADS.getThreadAllocatedBytes(id) - workerBefore >= 64);
        }
    }
}
