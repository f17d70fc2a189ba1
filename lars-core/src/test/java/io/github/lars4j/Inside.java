package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import io.github.lars4j.internal.kernel.KernelKind;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.internal.saving.Disk;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** Access to the internals of an optimizer, for tests that inspect or damage them. */
final class Inside {

    /** The fields of each class that were asked for, as finding one takes longer than many a step. */
    private static final ClassValue<Map<String, Field>> FIELDS = new ClassValue<>() {
        @Override
        protected Map<String, Field> computeValue(Class<?> type) {
            return new ConcurrentHashMap<>();
        }
    };

    private Inside() {}

    /**
     * Makes the vector kernels for arrays that do not begin at the same index unable to run in optimizers that require
     * them. Returns what ends that.
     */
    @SuppressWarnings("unchecked")
    static Runnable breakOffsetKernels() throws ReflectiveOperationException {
        Field field =
                Class.forName("io.github.lars4j.internal.kernel.KernelTrial").getDeclaredField("FAILURES");
        field.setAccessible(true);
        Map<KernelKind, Optional<String>> failures = (Map<KernelKind, Optional<String>>) field.get(null);
        KernelKind kind = KernelKind.float32(KernelKind.Place.OFFSETS);
        failures.put(kind, Optional.of("they cannot run"));
        return () -> failures.remove(kind);
    }

    static float[] momentum(Lars lars) {
        return flat(state(lars));
    }

    static float[] momentum(Snapshot snapshot) {
        return flat(snapshot.state());
    }

    /** Puts another array, too short perhaps, in the place of the momentum. */
    static void setMomentum(Lars lars, float[] momentum) {
        state(lars).momentum = Momentum.of(Tensors.flat(momentum));
    }

    /** As {@link #setMomentum(Lars, float[])}, for a momentum in bfloat16. */
    static void setMomentum(Lars lars, short[] momentum) {
        state(lars).momentum = Momentum.of(Tensors.flat(Format.BFLOAT16, momentum));
    }

    /** Puts another array in the place of the momentum, for steps only; they do not notice if it is too short. */
    static void setMomentumOfSteps(Lars lars, float[] momentum) {
        state(lars).momentum.tensors.operand(lars.layers()).setArray(momentum);
    }

    /** Puts another array in the place of tensors in one array; steps do not notice if it is too short. */
    static void setArrayOfSteps(Tensors tensors, Layers layers, short[] array) {
        tensors.operand(layers).setArray(array);
    }

    /** Returns where the momentum of a layer lies. */
    static MemorySegment momentumOf(Lars lars, int layer) {
        return state(lars).momentumOf(layer);
    }

    static MemorySegment momentumOf(Snapshot snapshot, int layer) {
        return snapshot.state().momentumOf(layer);
    }

    /** Returns the offsets that steps go by; a test may change them to make a step fail. */
    static long[] offsets(Lars lars) {
        return lars.layers().offsets();
    }

    static boolean[] begun(Lars lars) {
        return state(lars).begun;
    }

    static boolean[] begun(Snapshot snapshot) {
        return snapshot.state().begun;
    }

    static double[] learningRates(Lars lars) {
        return state(lars).learningRates;
    }

    static double[] trustRatios(Lars lars) {
        return state(lars).trustRatios;
    }

    static long refusals(Lars lars) {
        return state(lars).refusals;
    }

    /** Has an optimizer take it that a call broke off half written. */
    static void breakOff(Lars lars, Throwable cause) {
        ((CallGuard) field(lars, "guard")).broken(cause);
    }

    /** Saves a checkpoint on another disk than the machine's. */
    static void save(Disk disk, Path file, Lars lars, float[] params) throws IOException {
        Checkpoint.save(disk, file, lars, params == null ? null : Tensors.flat(params));
    }

    /** Makes an optimizer split even a small layout into many rounds and shares. */
    static Lars.Builder fineGrain(Lars.Builder builder) {
        return builder.grain(new Plan.Grain(128, 1));
    }

    static double[] trustCoefficients(Lars lars) {
        return state(lars).trustCoefficients;
    }

    /** Returns the number of rounds in which a step measures and writes one after the other. */
    static int parts(Lars lars) {
        return plan(lars).rounds();
    }

    /** Returns a text that differs if anything differs that changes between steps may change, or the next steps use. */
    static String everything(Lars lars, float[]... arrays) {
        State state = state(lars);
        return state.setup.settings + " " + state.setup.groups + " " + Arrays.toString(state.trustCoefficients) + " "
                + System.identityHashCode(state.momentum == null ? null : state.momentum.tensors) + " "
                + field(lars, "schedule") + " " + Bits.of(lars, arrays);
    }

    /** Returns what steps change and calls between them may change, without the momentum, which may be out of reach. */
    static String progress(Lars lars) {
        State state = state(lars);
        return state.step + " " + state.refusals + " " + state.setup.settings + " " + state.setup.groups + " "
                + Arrays.toString(state.begun) + Arrays.toString(state.learningRates)
                + Arrays.toString(state.trustRatios) + System.identityHashCode(state.momentum);
    }

    /** Returns the tensors of the momentum. */
    static Object tensorsOfMomentum(Lars lars) {
        return state(lars).momentum.tensors;
    }

    /** Has an optimizer divide the work as finely as it can. */
    static Lars.Builder inSmallRounds(Lars.Builder builder) {
        return builder.grain(new Plan.Grain(4096, 1));
    }

    /** Returns the carried Σw² of each layer. */
    static double[] carried(Lars lars) {
        return (double[]) field(step(lars), "carried");
    }

    /** Returns all settings of an optimizer, as text, schedules included. */
    static String settings(Lars lars) {
        return state(lars).setup.settings.toString();
    }

    /** Returns the weight decay that a layer would have in step 0, with its groups taken into account. */
    static double decayOfStepZero(Lars lars, int layer) {
        state(lars).setup.setStep(0);
        return state(lars).setup.profileOf(layer).decay;
    }

    /** Returns the momentum as one array with the offsets of the layers: the buffer itself if it is one. */
    static float[] flat(State state) {
        if (state.momentum == null) {
            return null;
        }
        if (state.momentum.tensors.array() instanceof float[] array) {
            return array;
        }
        float[] flat = new float[(int) state.layers().end()];
        for (int i = 0; i < state.layers().size(); i++) {
            Layer layer = state.layers().get(i);
            MemorySegment values = state.momentumOf(i);
            for (int e = 0; e < layer.length(); e++) {
                flat[(int) layer.offset() + e] = state.momentum.tensors.format().get(values, e);
            }
        }
        return flat;
    }

    /** Returns the plan of a step. */
    static Plan plan(Lars lars) {
        return (Plan) field(field(step(lars), "whole"), "plan");
    }

    static State state(Lars lars) {
        return (State) field(lars, "state");
    }

    static Step step(Lars lars) {
        return (Step) field(lars, "step");
    }

    /** Returns the value of a field, also of a private one. */
    static Object field(Object owner, String name) {
        try {
            Map<String, Field> fields = FIELDS.get(owner.getClass());
            Field field = fields.get(name);
            if (field == null) {
                field = owner.getClass().getDeclaredField(name);
                field.setAccessible(true);
                fields.put(name, field);
            }
            return field.get(owner);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the bits of a layer of tensors in a narrow format. */
    static short[] elements(Tensors tensors, Layers layers, int layer) {
        return tensors.segment(layers, layer).toArray(ValueLayout.JAVA_SHORT_UNALIGNED);
    }

    /** Returns the bits of a layer's momentum in bfloat16. */
    static short[] momentumBits(Lars lars, int layer) {
        return elements(state(lars).momentum.tensors, lars.layers(), layer);
    }
}
