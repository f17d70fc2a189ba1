package io.github.lars4j;

import io.github.lars4j.internal.Checks;

/**
 * A linear warm-up as a training program counts it. The programs differ in the rate that the warm-up starts from, in
 * whether its first step has that rate or is already one increment above it, and in whether its last step already has
 * the full rate. To reproduce a recipe, use the method named after the program that it comes from:
 *
 * <pre>{@code
 * Schedule schedule = Schedule.polynomial(10, 2, 13_137, 1e-4).warmup(Warmup.mlperf(1_565));
 * }</pre>
 *
 * <p>The table has the rate at step {@code t} of a warm-up of {@code n} steps from the rate {@code s} to the rate
 * {@code γ}, which is the schedule's rate at its step 0.
 *
 * <table>
 * <caption>Rates in the warm-up</caption>
 * <tr><th>warm-up<th>rate at step t<th>first step<th>last step
 * <tr><td>{@link #mlperf mlperf}<td>γ t/n<td>0<td>one increment below γ
 * <tr><td>{@link #optax optax}, {@link #timm timm}, {@link #linearLR linearLR}<td>s + (γ - s) t/n<td>s<td>one increment
 * below γ
 * <tr><td>{@link #horovod horovod}<td>s + (γ - s) (t + 1)/n<td>one increment above s<td>γ
 * <tr><td>{@link #swav swav}<td>s + (γ - s) t/(n - 1)<td>s<td>γ
 * <tr><td>{@link Schedule#warmup(long) warmup(long)}<td>γ (t + 1)/(n + 1)<td>one increment above 0<td>one increment below γ
 * </table>
 *
 * <p>A first step with a rate of 0 counts as a step and changes no weight. After every warm-up but timm's, the schedule
 * starts at its step 0.
 *
 * <p>The methods throw an {@link IllegalArgumentException} if {@code steps} is negative, or if another argument is out
 * of its range. With 0 steps there is no warm-up. A warm-up is immutable and safe for use by several threads.
 */
public final class Warmup {

    private final String name;
    private final long steps;
    private final double start;
    private final boolean startIsFactor;
    private final int firstIncrements;
    private final int moreIncrements;
    private final boolean insideSchedule;

    /**
     * Creates a warm-up.
     *
     * @param name how it prints
     * @param start a rate, or a factor of the full rate
     * @param firstIncrements the number of increments before the first step
     * @param moreIncrements the number of increments from {@code start} to the full rate, less {@code steps}
     * @param insideSchedule whether the warm-up replaces the first steps of the schedule instead of preceding them
     */
    private Warmup(
            String name,
            long steps,
            double start,
            boolean startIsFactor,
            int firstIncrements,
            int moreIncrements,
            boolean insideSchedule) {
        Checks.atLeast(0, "steps", steps);
        this.name = name;
        this.steps = steps;
        this.start = start;
        this.startIsFactor = startIsFactor;
        this.firstIncrements = firstIncrements;
        this.moreIncrements = moreIncrements;
        this.insideSchedule = insideSchedule;
    }

    /** Returns the warm-up of {@link Schedule#warmup(long)}, which checks the argument. */
    static Warmup evenly(long steps) {
        return new Warmup(Schedules.literal(steps), steps, 0, false, 1, 1, false);
    }

    /**
     * Returns the warm-up of MLPerf's ResNet reference: from 0, which is the rate of the first step. SimCLR and Barlow
     * Twins count in the same way.
     *
     * <p>Read in {@code PolynomialDecayWithWarmup} of mlcommons/training, {@code
     * image_classification/tensorflow2/lars_util.py}, commit dc72f48; google-research/simclr, {@code tf2/model.py},
     * commit be265c2; facebookresearch/barlowtwins, {@code main.py}, commit 046eec3. MLPerf's decay after the warm-up
     * is one step longer than the training: its number of steps is {@code trainSteps - steps + 1}.
     *
     * @param steps the number of warm-up steps, 0 or more
     */
    public static Warmup mlperf(long steps) {
        return new Warmup("Warmup.mlperf(" + Schedules.literal(steps) + ")", steps, 0, false, 0, 0, false);
    }

    /**
     * Returns the warm-up of {@code warmup_cosine_decay_schedule} and its siblings in optax: from a given rate, which
     * is the rate of the first step.
     *
     * <p>Read in google-deepmind/optax, {@code optax/schedules/_schedule.py}, commit 2edbcbe (0.2.9.dev). Its {@code
     * decay_steps} contain the warm-up; the steps of the schedule here do not.
     *
     * @param startRate {@code init_value}: finite, 0 or more
     * @param steps {@code warmup_steps}: the number of warm-up steps, 0 or more
     */
    public static Warmup optax(double startRate, long steps) {
        Checks.atLeastZero("startRate", startRate);
        return new Warmup(call("optax", startRate, steps), steps, startRate, false, 0, 0, false);
    }

    /**
     * Returns the warm-up of timm's schedulers: from a given rate, which is the rate of the first step. The warm-up
     * takes the place of the schedule's first steps: after it, the schedule continues at its step {@code steps}, so the
     * rate falls a little at once.
     *
     * <p>Read in {@code CosineLRScheduler} and {@code PolyLRScheduler} of huggingface/pytorch-image-models, {@code
     * timm/scheduler/cosine_lr.py} and {@code poly_lr.py}, commit 31a85de (1.0.29.dev0), counted in updates ({@code
     * t_in_epochs=False}). With {@code warmup_prefix=True} timm counts as {@link #optax optax} does.
     *
     * @param startRate {@code warmup_lr_init}: finite, 0 or more
     * @param steps {@code warmup_t}: the number of warm-up steps, 0 or more
     */
    public static Warmup timm(double startRate, long steps) {
        Checks.atLeastZero("startRate", startRate);
        return new Warmup(call("timm", startRate, steps), steps, startRate, false, 0, 0, true);
    }

    /**
     * Returns the warm-up of PyTorch's {@code LinearLR}, followed by the schedule as in {@code SequentialLR} with the
     * milestone {@code total_iters}: from a factor of the full rate, which the first step has.
     *
     * <p>Read in pytorch/pytorch, {@code torch/optim/lr_scheduler.py}, commit 008f727.
     *
     * @param startFactor {@code start_factor}: in [0, 1]; 1/3 is PyTorch's default
     * @param steps {@code total_iters}: the number of warm-up steps, 0 or more
     */
    public static Warmup linearLR(double startFactor, long steps) {
        if (!(startFactor >= 0 && startFactor <= 1)) {
            throw new IllegalArgumentException("startFactor is " + startFactor + "; it must be in [0, 1]");
        }
        return new Warmup(call("linearLR", startFactor, steps), steps, startFactor, true, 0, 0, false);
    }

    /**
     * Returns the gradual warm-up from {@code γ/k}, the rate of one worker, to {@code γ}, the rate of {@code k} of them,
     * as Horovod counts it: the first step is already one increment above {@code γ/k}, and the last one has the rate
     * {@code γ}.
     *
     * <p>Read in horovod/horovod, {@code examples/pytorch/pytorch_imagenet_resnet50.py}, commit 2fde6f1. The paper that
     * it follows (Goyal and others 2017, arXiv 1706.02677) does not say how it counts.
     *
     * @param k the number of workers, or the factor by which the batch was enlarged: finite, 1 or more
     * @param steps the number of warm-up steps, 0 or more
     */
    public static Warmup horovod(double k, long steps) {
        if (!(k >= 1 && k <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("k is " + k + "; it must be finite and 1 or more");
        }
        return new Warmup(call("horovod", k, steps), steps, 1 / k, true, 1, 0, false);
    }

    /**
     * Returns the warm-up of SwAV: NumPy's {@code linspace} from a given rate, which is the rate of the first step, to
     * the full rate, which the last step already has. The schedule then starts with the full rate again. If there is
     * just one step, it has the given rate.
     *
     * <p>Read in facebookresearch/swav, {@code main_swav.py}, commit 5e073db.
     *
     * @param startRate {@code start_warmup}: finite, 0 or more
     * @param steps the number of warm-up steps, 0 or more
     */
    public static Warmup swav(double startRate, long steps) {
        Checks.atLeastZero("startRate", startRate);
        return new Warmup(call("swav", startRate, steps), steps, startRate, false, 0, -1, false);
    }

    private static String call(String method, double start, long steps) {
        return "Warmup." + method + "(" + start + ", " + Schedules.literal(steps) + ")";
    }

    long steps() {
        return steps;
    }

    boolean insideSchedule() {
        return insideSchedule;
    }

    /**
     * Returns the rate at a step of the warm-up.
     *
     * @param step in [0, steps)
     * @param full the rate that the warm-up leads to
     */
    double rate(long step, double full) {
        double from = startIsFactor ? start * full : start;
        double increments = Math.max(1, steps + (double) moreIncrements);
        return from + (full - from) * (step + firstIncrements) / increments;
    }

    /** Returns the warm-up as the Java expression that makes it. */
    @Override
    public String toString() {
        return name;
    }
}
