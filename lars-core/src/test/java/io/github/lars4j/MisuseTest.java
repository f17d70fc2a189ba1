package io.github.lars4j;

import io.github.lars4j.rule.Bounds;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.rule.TrustRatio;
import io.github.lars4j.safetensors.ByteSink;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.FullChannel;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.function.IntConsumer;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Passes bad values to every public parameter. Each causes a specific exception that names the argument and the value,
 * and changes nothing. A public parameter without a row fails the test.
 */
class MisuseTest extends MisuseOfFormats {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    /** Layers with the same names as {@link #LAYERS}, except for one. */
    private static final Layers OTHERS =
            Layers.builder().add("a", 5).add("c", 3).build();

    /** A lone surrogate. */
    private static final String SURROGATE = "\ud800";

    @TempDir
    private Path folder;

    @Test
    void everyPublicParameter() throws Throwable {
        layersAndTreatments();
        layersOneByOne();
        rulesAndHyperparameters();
        schedules();
        theBuilder();
        placesOfTensors();
        momentumBuffers();
        steps();
        stepsWithTensors();
        formats();
        stepsLayerByLayer();
        betweenSteps();
        groups();
        settings();
        gradients();
        givenTrustRatios();
        sumsAndReports();
        savedState();
        savedTensors(Files.createDirectory(folder.resolve("of tensors")));
        numbersOfPyTorch();
        tensorDescriptions();
        try (SafeTensorsFile file = SafeTensorsFile.open(tensors())) {
            reading(file);
            writing();
            withoutBadValues();
            assertRefused();
        }
        assertComplete();
        System.out.println(total());
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5);
    }

    private void layersAndTreatments() {
        Treatment full = Treatment.FULL;
        on("new Layer(String,long,List,long,Treatment)");
        isNull(0, "name", () -> new Layer(null, 0, List.of(1L), 1, full));
        bad(1, () -> new Layer("a", -1, List.of(1L), 1, full), "offset of layer \"a\" is -1");
        isNull(2, "shape", () -> new Layer("a", 0, null, 1, full));
        isNull(2, "shape of layer \"a\" is null at 1", () -> new Layer("a", 0, Arrays.asList(1L, null), 1, full));
        bad(2, () -> new Layer("a", 0, List.of(-2L), -2, full), "shape of layer \"a\" is [-2]");
        bad(2, () -> new Layer("a", 0, List.of(1L << 32, 1L << 32), 0, full), "shape of layer \"a\" is [4294967296, ");
        bad(3, () -> new Layer("a", 0, List.of(2L, 3L), 5, full), "length of layer \"a\" is 5", "[2, 3]");
        bad(
                3,
                () -> new Layer("a", 1, List.of(Long.MAX_VALUE), Long.MAX_VALUE, full),
                "length of layer \"a\" is 92233",
                "at most 9223372036854775806");
        isNull(4, "treatment", () -> new Layer("a", 0, List.of(1L), 1, null));
        on("Layer.withTreatment(Treatment)");
        isNull(0, "treatment", () -> LAYERS.get(0).withTreatment(null));

        on("new Layers(List)");
        Layer a = LAYERS.get(0);
        isNull(0, "layers", () -> new Layers(null));
        isNull(0, "layers is null at 1", () -> new Layers(Arrays.asList(a, null)));
        bad(0, () -> new Layers(List.of()), "layers is empty");
        bad(0, () -> new Layers(List.of(a, a)), "name \"a\"");
        bad(0, () -> new Layers(List.of(a, new Layer("b", 4, List.of(1L), 1, full))), "offset of layer \"b\" is 4");
        on("Layers.get(int)");
        badIndex(0, () -> LAYERS.get(-1), "index is -1");
        badIndex(0, () -> LAYERS.get(2), "index is 2", "[0, 2)");
        on("Layers.index(String)");
        isNull(0, "name", () -> LAYERS.index(null));
        bad(0, () -> LAYERS.index("c"), "name is \"c\"");
        on("Shard.cut(Layers,int)");
        isNull(0, "layers", () -> Shard.cut(null, 1));
        bad(1, () -> Shard.cut(LAYERS, 0), "count is 0; it must be in [1, 2]");
        bad(1, () -> Shard.cut(LAYERS, 3), "count is 3; it must be in [1, 2]");
        on("Shard.of(Layers,int,int)");
        isNull(0, "layers", () -> Shard.of(null, 0, 1));
        badIndex(1, () -> Shard.of(LAYERS, 2, 2), "Index 2", "length 2");
        bad(2, () -> Shard.of(LAYERS, 0, 3), "count is 3; it must be in [1, 2]");
        on("Shard.empty(Layers)");
        isNull(0, "layers", () -> Shard.empty(null));
        on("Shard.from(int)");
        badIndex(0, () -> Shard.cut(LAYERS, 1).getFirst().from(2), "layer is 2", "[0, 2)");
        on("ShardSums.of(double[])");
        isNull(0, "sums", () -> ShardSums.of(null));
        bad(0, () -> ShardSums.of(new double[4]), "sums has length 4; it must be a multiple of 3");
        bad(0, () -> ShardSums.of(new double[] {1, 2, 3, -4, 5, -6}), "sums[3] is -4.0");
        on("ShardSums.fold(Layers,List)");
        ShardSums one = ShardSums.of(new double[3]);
        isNull(0, "layers", () -> ShardSums.fold(null, List.of(one, one)));
        isNull(1, "shards", () -> ShardSums.fold(LAYERS, null));
        isNull(1, "shards is null at 1", () -> ShardSums.fold(LAYERS, Arrays.asList(one, null)));
        bad(1, () -> ShardSums.fold(LAYERS, List.of(one)), "shards have 1 blocks; they must have 2");

        on("new Treatment(boolean,boolean,double)");
        badNumbers(2, "rateFactor", value -> new Treatment(true, true, value), -1, NAN, INF, -INF);
        on("Treatment.withRateFactor(double)");
        badNumbers(0, "rateFactor", full::withRateFactor, -1, NAN, INF, -INF);

        on("new Restored(List,Map,List,List)");
        List<String> none = List.of();
        List<String> holed = Collections.singletonList(null);
        isNull(0, "taken", () -> new Restored(null, Map.of(), none, none));
        isNull(0, "taken is null at 0", () -> new Restored(holed, Map.of(), none, none));
        isNull(1, "leftInFile", () -> new Restored(none, null, none, none));
        Map<String, String> nameless = Collections.singletonMap(null, "");
        isNull(1, "leftInFile has the name null", () -> new Restored(none, nameless, none, none));
        Map<String, String> reasonless = Collections.singletonMap("a", null);
        isNull(1, "leftInFile is null for \"a\"", () -> new Restored(none, reasonless, none, none));
        isNull(2, "leftWithout", () -> new Restored(none, Map.of(), null, none));
        isNull(2, "leftWithout is null at 0", () -> new Restored(none, Map.of(), holed, none));
        isNull(3, "notes", () -> new Restored(none, Map.of(), none, null));
        isNull(3, "notes is null at 0", () -> new Restored(none, Map.of(), none, holed));
    }

    private void layersOneByOne() {
        Treatment full = Treatment.FULL;
        Layers.Builder layers = Layers.builder().addTensor("a", 2, 2);
        Layers.Builder unshaped = Layers.builder().add("a", 4);
        Layers.Builder far = Layers.builder().at(Long.MAX_VALUE);
        watching(() -> Bits.fields(layers) + Bits.fields(unshaped) + Bits.fields(far));
        on("Layers.Builder.add(String,long)");
        isNull(0, "name", () -> layers.add(null, 1));
        bad(0, () -> Layers.builder().add("a", 1).add("a", 1).build(), "name \"a\"");
        bad(1, () -> layers.add("b", -1), "shape of layer \"b\" is [-1]");
        bad(1, () -> far.add("b", 1), "length of layer \"b\" is 1", "at most 0");
        on("Layers.Builder.add(String,long,Treatment)");
        isNull(0, "name", () -> layers.add(null, 1, full));
        bad(0, () -> Layers.builder().add("a", 1).add("a", 1, full).build(), "name \"a\"");
        bad(1, () -> layers.add("b", -1, full), "shape of layer \"b\" is [-1]");
        bad(1, () -> far.add("b", 1, full), "length of layer \"b\" is 1", "at most 0");
        isNull(2, "treatment", () -> layers.add("b", 1, null));
        on("Layers.Builder.addTensor(String,long[])");
        isNull(0, "name", () -> layers.addTensor(null, 1));
        bad(0, () -> Layers.builder().addTensor("a", 1).addTensor("a", 1).build(), "name \"a\"");
        isNull(1, "shape", () -> layers.addTensor("b", (long[]) null));
        bad(1, () -> layers.addTensor("b", 3, -1), "shape of layer \"b\" is [3, -1]");
        bad(1, () -> layers.addTensor("b", 1L << 32, 1L << 31), "shape of layer \"b\" is [4294967296, ");
        bad(1, () -> far.addTensor("b", 1), "length of layer \"b\" is 1", "at most 0");
        on("Layers.Builder.at(long)");
        bad(0, () -> layers.at(-1), "offset is -1");
        bad(0, () -> Layers.builder().add("a", 2).at(1).add("b", 1).build(), "offset of layer \"b\" is 1", "\"a\"");
        on("Layers.Builder.treat(Pattern,Treatment)");
        isNull(0, "pattern", () -> layers.treat(null, full));
        isNull(1, "treatment", () -> layers.treat(Pattern.compile("a"), (Treatment) null));
        isNull(1, "treatment", () -> layers.treat(Pattern.compile("in no name"), (Treatment) null));
        bad(0, () -> layers.treat(Pattern.compile("in no name"), full), "pattern is \"in no name\"", "\"a\"");
        on("Layers.Builder.treat(Pattern,UnaryOperator)");
        UnaryOperator<Treatment> same = treatment -> treatment;
        isNull(0, "pattern", () -> layers.treat(null, same));
        bad(0, () -> layers.treat(Pattern.compile("in no name"), same), "pattern is \"in no name\"", "\"a\"");
        isNull(1, "change", () -> layers.treat(Pattern.compile("a"), (UnaryOperator<Treatment>) null));
        isNull(1, "the result of change", () -> layers.treat(Pattern.compile("a"), treatment -> null));
        on("Layers.Builder.treatIfPresent(Pattern,Treatment)");
        isNull(0, "pattern", () -> layers.treatIfPresent(null, full));
        isNull(1, "treatment", () -> layers.treatIfPresent(Pattern.compile("a"), null));
        isNull(1, "treatment", () -> layers.treatIfPresent(Pattern.compile("in no name"), null));
        on("Layers.Builder.treatOneDimensional(Treatment)");
        isNull(0, "treatment", () -> layers.treatOneDimensional((Treatment) null));
        row(0, () -> unshaped.treatOneDimensional(full), IllegalStateException.class, "layer \"a\"", "by its length");
        row(0, () -> far.treatOneDimensional(full), IllegalStateException.class, "before a layer was added");
        on("Layers.Builder.treatOneDimensional(UnaryOperator)");
        Layers.Builder flat = Layers.builder().addTensor("flat", 3);
        isNull(0, "change", () -> layers.treatOneDimensional((UnaryOperator<Treatment>) null));
        isNull(0, "the result of change", () -> flat.treatOneDimensional(treatment -> null));
        row(0, () -> unshaped.treatOneDimensional(same), IllegalStateException.class, "layer \"a\"", "by its length");
    }

    private void rulesAndHyperparameters() {
        Rule paper = Dialects.PAPER;
        Hyperparameters corrected = new Hyperparameters(paper, 1, 0, 0.9, 0, false, true);
        watching(() -> "");
        on("new Rule(Ratio,Entry,ZeroNorm,boolean,boolean,double)");
        isNull(0, "ratio", () -> new Rule(null, paper.entry(), paper.zeroNorm(), false, true, 0));
        isNull(1, "entry", () -> new Rule(paper.ratio(), null, paper.zeroNorm(), false, true, 0));
        isNull(2, "zeroNorm", () -> new Rule(paper.ratio(), paper.entry(), null, false, true, 0));
        badNumbers(
                5,
                "epsilon",
                value -> new Rule(paper.ratio(), paper.entry(), paper.zeroNorm(), false, true, value),
                -1e-30,
                NAN,
                INF,
                -INF);
        bad(
                0,
                () -> new Rule(Rule.Ratio.OWN, paper.entry(), paper.zeroNorm(), false, true, 0),
                "ratio is OWN",
                "Rule.of");
        on("Rule.withEpsilon(double)");
        badNumbers(0, "epsilon", paper::withEpsilon, -1e-30, NAN, INF, -INF);
        on("Rule.withRatio(Ratio)");
        isNull(0, "ratio", () -> paper.withRatio(null));
        bad(0, () -> paper.withRatio(Rule.Ratio.OWN), "ratio is OWN", "Rule.of");
        on("Rule.withRatioBounds(double,double)");
        badNumbers(0, "least", value -> paper.withRatioBounds(value, 1), -1, NAN, INF, -INF);
        badNumbers(1, "most", value -> paper.withRatioBounds(0, value), -1, 0, NAN, -INF);
        bad(1, () -> paper.withRatioBounds(2, 1), "most is 1.0", "least, 2.0");
        on("Rule.withWeightNormBounds(double,double)");
        badNumbers(0, "least", value -> paper.withWeightNormBounds(value, 1), -1, NAN, INF, -INF);
        badNumbers(1, "most", value -> paper.withWeightNormBounds(0, value), -1, 0, NAN, -INF);
        on("new Bounds(double,double)");
        badNumbers(0, "least", value -> new Bounds(value, 1), -1, NAN, INF, -INF);
        badNumbers(1, "most", value -> new Bounds(0, value), -1, 0, NAN, -INF);
        on("Rule.withGradientNormFloor(double)");
        badNumbers(0, "floor", paper::withGradientNormFloor, -1, NAN, INF, -INF);
        on("Rule.withDecay(Decay)");
        isNull(0, "decay", () -> paper.withDecay(null));
        bad(0, () -> Dialects.SNIPPET.withDecay(Rule.Decay.BESIDE_RATIO), "decay is BESIDE_RATIO", "UPDATE");
        on("Rule.withGradientClip(double,double)");
        badNumbers(0, "factor", value -> paper.withGradientClip(value, 1), -1, 0, NAN, -INF);
        badNumbers(1, "floor", value -> paper.withGradientClip(1, value), -1, 0, NAN, INF, -INF);
        on("Rule.of(String,Entry,boolean,TrustRatio)");
        TrustRatio one = (w, g, p, eta, beta, gamma, layer, step) -> 1;
        isNull(0, "name", () -> Rule.of(null, paper.entry(), false, one));
        for (String name : new String[] {"", " ", "a b", "a\n", "\u00e4", "\"", "a".repeat(101)}) {
            bad(0, () -> Rule.of(name, paper.entry(), false, one), "name is \"" + name + "\"");
        }
        isNull(1, "entry", () -> Rule.of("one", null, false, one));
        isNull(3, "ratio", () -> Rule.of("one", paper.entry(), false, null));

        on("new Hyperparameters(Rule,double,double,double,double,boolean,boolean)");
        isNull(0, "rule", () -> new Hyperparameters(null, 1, 0, 0, 0, false, false));
        isNull(0, "rule", () -> new Hyperparameters(null, 1, 0, 0.9, 0, false, true));
        badNumbers(
                1,
                "trustCoefficient",
                value -> new Hyperparameters(paper, value, 0, 0, 0, false, false),
                0,
                -1,
                NAN,
                INF,
                -INF);
        badNumbers(
                2,
                "weightDecay",
                value -> new Hyperparameters(paper, 1, value, 0, 0, false, false),
                -1,
                NAN,
                INF,
                -INF);
        badNumbers(
                3, "momentum", value -> new Hyperparameters(paper, 1, 0, value, 0, false, false), -1, NAN, INF, -INF);
        badNumbers(4, "dampening", value -> new Hyperparameters(paper, 1, 0, 0.9, value, false, false), NAN, INF, -INF);
        bad(5, () -> new Hyperparameters(paper, 1, 0, 0, 0, true, false), "nesterov is true", "momentum 0.0");
        bad(5, () -> new Hyperparameters(paper, 1, 0, 0.9, 0.1, true, false), "nesterov is true", "dampening 0.1");
        bad(
                6,
                () -> new Hyperparameters(Dialects.BOLTS, 1, 0, 0.9, 0, false, true),
                "momentumCorrection is true",
                "GRADIENT");
        on("Hyperparameters.withRule(Rule)");
        isNull(0, "rule", () -> Hyperparameters.DEFAULT.withRule(null));
        isNull(0, "rule", () -> corrected.withRule(null));
    }

    private void schedules() {
        Schedule one = Schedule.constant(1);
        on("Schedule.constant(double)");
        badNumbers(0, "rate", Schedule::constant, -1, NAN, INF, -INF);
        on("Schedule.polynomial(double,double,long)");
        badNumbers(0, "rate", value -> Schedule.polynomial(value, 2, 5), -1, NAN, INF, -INF);
        badNumbers(1, "power", value -> Schedule.polynomial(1, value, 5), 0, -1, NAN, INF, -INF);
        bad(2, () -> Schedule.polynomial(1, 2, 0), "steps is 0");
        bad(2, () -> Schedule.polynomial(1, 2, Long.MIN_VALUE), "steps is -9223372036854775808");
        on("Schedule.cosine(double,long)");
        badNumbers(0, "rate", value -> Schedule.cosine(value, 5), -1, NAN, INF, -INF);
        bad(1, () -> Schedule.cosine(1, 0), "steps is 0");
        bad(1, () -> Schedule.cosine(1, -1), "steps is -1");
        on("Schedule.polynomial(double,double,long,double)");
        badNumbers(0, "rate", value -> Schedule.polynomial(value, 2, 5, 1), -1, NAN, INF, -INF);
        badNumbers(1, "power", value -> Schedule.polynomial(1, value, 5, 1), 0, -1, NAN, INF, -INF);
        bad(2, () -> Schedule.polynomial(1, 2, 0, 1), "steps is 0");
        badNumbers(3, "endRate", value -> Schedule.polynomial(1, 2, 5, value), -1, NAN, INF, -INF);
        on("Schedule.cosine(double,long,double)");
        badNumbers(0, "rate", value -> Schedule.cosine(value, 5, 1), -1, NAN, INF, -INF);
        bad(1, () -> Schedule.cosine(1, 0, 1), "steps is 0");
        badNumbers(2, "endRate", value -> Schedule.cosine(1, 5, value), -1, NAN, INF, -INF);
        on("Schedule.cosineRestarts(double,long,int,double)");
        badNumbers(0, "rate", value -> Schedule.cosineRestarts(value, 5, 2, 1), -1, NAN, INF, -INF);
        bad(1, () -> Schedule.cosineRestarts(1, 0, 2, 1), "steps is 0");
        bad(2, () -> Schedule.cosineRestarts(1, 5, 0, 1), "factor is 0");
        bad(2, () -> Schedule.cosineRestarts(1, 5, Integer.MIN_VALUE, 1), "factor is -2147483648");
        badNumbers(3, "endRate", value -> Schedule.cosineRestarts(1, 5, 2, value), -1, NAN, INF, -INF);
        on("Schedule.oneCycle(double,long)");
        badNumbers(0, "rate", value -> Schedule.oneCycle(value, 5), -1, NAN, INF, -INF);
        bad(1, () -> Schedule.oneCycle(1, 0), "steps is 0");
        on("Schedule.piecewiseLinear(long[],double[])");
        isNull(0, "steps", () -> Schedule.piecewiseLinear(null, new double[] {1}));
        bad(0, () -> Schedule.piecewiseLinear(new long[0], new double[0]), "steps is empty");
        bad(0, () -> Schedule.piecewiseLinear(new long[] {-1}, new double[] {1}), "steps is -1");
        bad(0, () -> Schedule.piecewiseLinear(new long[] {3, 3}, new double[] {1, 1}), "steps has 3 after 3");
        bad(0, () -> Schedule.piecewiseLinear(new long[] {3, 2}, new double[] {1, 1}), "steps has 2 after 3");
        isNull(1, "rates", () -> Schedule.piecewiseLinear(new long[] {1}, null));
        bad(1, () -> Schedule.piecewiseLinear(new long[] {1, 2}, new double[] {1}), "rates.length is 1", "must be 2");
        badNumbers(
                1,
                "rates",
                value -> Schedule.piecewiseLinear(new long[] {1, 2}, new double[] {1, value}),
                -1,
                NAN,
                INF,
                -INF);
        on("Schedule.steps(double,double,long[])");
        badNumbers(0, "rate", value -> Schedule.steps(value, 1, 5), -1, NAN, INF, -INF);
        badNumbers(1, "factor", value -> Schedule.steps(1, value, 5), -1, NAN, INF, -INF);
        isNull(2, "milestones", () -> Schedule.steps(1, 1, (long[]) null));
        bad(2, () -> Schedule.steps(1, 1, 3, -2), "milestones is -2");
        on("Schedule.warmup(long)");
        bad(0, () -> one.warmup(-1), "warmup is -1");
        bad(0, () -> one.warmup(Long.MIN_VALUE), "warmup is -9223372036854775808");
        on("Schedule.warmup(Warmup)");
        isNull(0, "warmup", () -> one.warmup(null));
        on("Warmup.mlperf(long)");
        bad(0, () -> Warmup.mlperf(-1), "steps is -1");
        on("Warmup.optax(double,long)");
        badNumbers(0, "startRate", value -> Warmup.optax(value, 5), -1, NAN, INF, -INF);
        bad(1, () -> Warmup.optax(1, -1), "steps is -1");
        on("Warmup.timm(double,long)");
        badNumbers(0, "startRate", value -> Warmup.timm(value, 5), -1, NAN, INF, -INF);
        bad(1, () -> Warmup.timm(1, -1), "steps is -1");
        on("Warmup.linearLR(double,long)");
        badNumbers(0, "startFactor", value -> Warmup.linearLR(value, 5), -1, 1.001, NAN, INF, -INF);
        bad(1, () -> Warmup.linearLR(1, -1), "steps is -1");
        on("Warmup.horovod(double,long)");
        badNumbers(0, "k", value -> Warmup.horovod(value, 5), 0, 0.999, -1, NAN, INF, -INF);
        bad(1, () -> Warmup.horovod(1, -1), "steps is -1");
        on("Warmup.swav(double,long)");
        badNumbers(0, "startRate", value -> Warmup.swav(value, 5), -1, NAN, INF, -INF);
        bad(1, () -> Warmup.swav(1, -1), "steps is -1");
        on("Schedule.then(long,Schedule)");
        bad(0, () -> one.then(-1, one), "steps is -1");
        isNull(1, "next", () -> one.then(1, null));
    }

    private void theBuilder() {
        Lars.Builder builder = builder();
        float[] momentum = {0, 0, 0, 0, 0, 0, Float.NaN, 0};
        watching(() -> Bits.fields(builder) + Arrays.toString(momentum));
        on("Lars.builder(Layers)");
        isNull(0, "layers", () -> Lars.builder(null));
        Layers far = Layers.builder().add("a", (1L << 42) + 1).build();
        bad(0, () -> Lars.builder(far).learningRate(1).build(), "layers have 4398046511105 elements");
        for (String name : new String[] {SURROGATE, "lars4j.checksum", "__metadata__", "a.momentum_buffer"}) {
            Layers layers = Layers.builder().add("a", 7).add(name, 1).build();
            bad(
                    0,
                    () -> Lars.builder(layers).learningRate(1).momentum(0.9).build(),
                    "layers has a layer " + SafeTensorsException.quote(name));
        }
        on("Lars.Builder.learningRate(double)");
        badNumbers(0, "rate", builder::learningRate, -1, NAN, INF, -INF);
        on("Lars.Builder.learningRate(Schedule)");
        isNull(0, "schedule", () -> builder.learningRate(null));
        row(0, () -> Lars.builder(LAYERS).build(), IllegalStateException.class, "learningRate was not given");
        on("Lars.Builder.hyperparameters(Hyperparameters)");
        isNull(0, "hyperparameters", () -> builder.hyperparameters(null));
        on("Lars.Builder.simd(Simd)");
        isNull(0, "simd", () -> builder.simd(null));
        on("Lars.Builder.rule(Rule)");
        isNull(0, "rule", () -> builder.rule(null));
        on("Lars.Builder.trustCoefficient(double)");
        badNumbers(
                0,
                "trustCoefficient",
                value -> builder().trustCoefficient(value).build(),
                0,
                -1,
                NAN,
                INF,
                -INF);
        on("Lars.Builder.weightDecay(double)");
        badNumbers(0, "weightDecay", value -> builder().weightDecay(value).build(), -1, NAN, INF, -INF);
        on("Lars.Builder.trustCoefficient(Schedule)");
        isNull(0, "trustCoefficient", () -> builder.trustCoefficient(null));
        on("Lars.Builder.weightDecay(Schedule)");
        isNull(0, "weightDecay", () -> builder.weightDecay(null));
        on("Lars.Builder.momentum(Schedule)");
        isNull(0, "momentum", () -> builder.momentum(null));
        on("Lars.Builder.momentum(double)");
        badNumbers(0, "momentum", value -> builder().momentum(value).build(), -1, NAN, INF, -INF);
        on("Lars.Builder.dampening(double)");
        badNumbers(
                0, "dampening", value -> builder().momentum(1).dampening(value).build(), NAN, INF, -INF);
        on("Lars.Builder.nesterov(boolean)");
        bad(0, () -> builder().nesterov(true).build(), "nesterov is true", "momentum 0.0");
        bad(0, () -> builder().momentum(0.9).dampening(0.1).nesterov(true).build(), "nesterov", "dampening 0.1");
        on("Lars.Builder.momentumCorrection(boolean)");
        bad(
                0,
                () -> builder().rule(Dialects.BOLTS).momentumCorrection(true).build(),
                "momentumCorrection is true",
                "GRADIENT");
        on("Lars.Builder.maxGradientNorm(double)");
        badNumbers(
                0, "maxGradientNorm", value -> builder().maxGradientNorm(value).build(), 0, -1, NAN, -INF);
        on("Lars.Builder.onBadGradient(OnBadGradient)");
        isNull(0, "onBadGradient", () -> builder.onBadGradient(null));
        on("Lars.Builder.momentumBuffer(float[])");
        isNull(0, "momentumBuffer", () -> builder.momentumBuffer((float[]) null));
        bad(0, () -> builder().momentumBuffer(new float[8]).build(), "momentumBuffer", "momentum 0");
        bad(0, () -> builder().momentum(0.9).momentumBuffer(new float[7]).build(), "momentumBuffer has length 7");
        bad(
                0,
                () -> builder().momentum(0.9).momentumBuffer(momentum).build(),
                "momentumBuffer is NaN at 1 of layer \"b\"");
        on("Lars.Builder.parallelism(int)");
        for (int threads : new int[] {0, -1, 1025, Integer.MIN_VALUE}) {
            bad(0, () -> builder().parallelism(threads).build(), "parallelism is " + threads);
        }
    }

    /** Every kind of step, with the same bad arrays. */
    private void steps() {
        float[] buffer = Random32.normal(9, 8, 1);
        Lars lars = builder()
                .momentum(0.9)
                .rule(Dialects.OPTAX)
                .weightDecay(0.1)
                .momentumBuffer(buffer)
                .build();
        float[] w = Random32.normal(1, 8, 1);
        float[] g = Random32.normal(2, 8, 1);
        lars.step(w, g);
        float[] infinite = {1, 1, 1, 1, 1, 1, 1, Float.POSITIVE_INFINITY};
        Gradients gradients = Gradients.of(g);
        DoubleSupplier none = () -> 0;
        LayerSums sums = sums(LAYERS);
        watching(() -> Bits.of(lars, w, g, buffer, infinite) + Bits.fields(sums) + nextStep(lars, w, g));

        Map<String, BiConsumer<float[], float[]>> ofArrays = Map.of(
                "Lars.step(float[],float[])",
                lars::step,
                "Lars.step(float[],float[],DoubleSupplier)",
                (params, array) -> lars.step(params, array, none),
                "Lars.measure(float[],float[])",
                lars::measure,
                "Lars.update(float[],float[],LayerSums)",
                (params, array) -> lars.update(params, array, sums));
        Map<String, BiConsumer<float[], Gradients>> ofGradients = Map.of(
                "Lars.step(float[],Gradients)",
                lars::step,
                "Lars.step(float[],Gradients,DoubleSupplier)",
                (params, known) -> lars.step(params, known, none),
                "Lars.measure(float[],Gradients)",
                lars::measure,
                "Lars.update(float[],Gradients,LayerSums)",
                (params, known) -> lars.update(params, known, sums));
        ofArrays.forEach((executable, call) -> badArrays(executable, call, w, g, buffer));
        ofGradients.forEach((executable, call) -> {
            badArrays(
                    executable,
                    (params, array) -> call.accept(params, array == null ? null : Gradients.of(array)),
                    w,
                    g,
                    buffer);
            bad(1, () -> call.accept(w, Gradients.of(g).missing(2, true)), "missing has layer 2", "[0, 2)");
            int most = Integer.MAX_VALUE;
            bad(1, () -> call.accept(w, Gradients.of(g).missing(most, true)), "missing has layer 2147483647");
            bad(1, () -> call.accept(w, Gradients.of(g).squares(new double[3])), "squares has length 3", "2");
            bad(1, () -> call.accept(w, Gradients.of(g).squares(new double[] {1, -2})), "squares is -2.0", "\"b\"");
        });
        on("Lars.step(float[],float[])");
        row(0, () -> lars.step(infinite, g), NonFiniteException.class, "layer \"b\" has weights");
        row(1, () -> lars.step(w, infinite), NonFiniteException.class, "layer \"b\" has a gradient");
        on("Lars.step(float[],Gradients)");
        row(0, () -> lars.step(infinite, gradients), NonFiniteException.class, "layer \"b\" has weights");
        row(1, () -> lars.step(w, Gradients.of(infinite)), NonFiniteException.class, "layer \"b\" has a gradient");

        DoubleSupplier failing = () -> {
            throw new UnsupportedOperationException("no data");
        };
        DoubleSupplier stepping = () -> lars.step(w, g).loss();
        on("Lars.step(float[],float[],DoubleSupplier)");
        isNull(2, "closure", () -> lars.step(w, g, null));
        row(2, () -> lars.step(w, g, failing), UnsupportedOperationException.class, "no data");
        row(2, () -> lars.step(w, g, stepping), IllegalStateException.class, "step was called while another call");
        on("Lars.step(float[],Gradients,DoubleSupplier)");
        isNull(2, "closure", () -> lars.step(w, gradients, null));
        row(2, () -> lars.step(w, gradients, failing), UnsupportedOperationException.class, "no data");
        row(2, () -> lars.step(w, gradients, stepping), IllegalStateException.class, "step was called while another");

        LayerSums stale = lars.measure(w, g);
        lars.discard();
        on("Lars.update(float[],float[],LayerSums)");
        badSums(given -> lars.update(w, g, given), stale);
        on("Lars.update(float[],Gradients,LayerSums)");
        badSums(given -> lars.update(w, gradients, given), stale);
    }

    private void badArrays(String executable, BiConsumer<float[], float[]> call, float[] w, float[] g, float[] buffer) {
        float[] shorter = new float[7];
        on(executable);
        isNull(0, "params", () -> call.accept(null, g));
        bad(0, () -> call.accept(shorter, g), "params has length 7", "8");
        bad(0, () -> call.accept(buffer, g), "params is the same array as the momentum buffer");
        isNull(1, "gradients", () -> call.accept(w, null));
        bad(1, () -> call.accept(w, shorter), "gradients has length 7", "8");
        bad(1, () -> call.accept(w, w), "gradients is the same array as params");
        bad(1, () -> call.accept(w, buffer), "gradients is the same array as the momentum buffer");
    }

    /** Bad sums for a rule that needs all three sums. */
    private void badSums(Consumer<LayerSums> update, LayerSums stale) {
        LayerSums absent = new LayerSums(LAYERS);
        LayerSums withoutProducts = new LayerSums(LAYERS);
        LayerSums infinite = sums(LAYERS);
        LayerSums nan = sums(LAYERS);
        for (int i = 0; i < 2; i++) {
            withoutProducts.setWeights(i, 1);
            withoutProducts.setGradients(i, 1);
        }
        infinite.setWeights(1, INF);
        nan.setGradients(1, NAN);
        isNull(2, "sums", () -> update.accept(null));
        bad(2, () -> update.accept(absent), "sums is incomplete for layer \"a\"");
        bad(2, () -> update.accept(withoutProducts), "sums is incomplete for layer \"a\"");
        bad(2, () -> update.accept(sums(OTHERS)), "sums has layer \"c\" at index 1");
        bad(2, () -> update.accept(sums(Layers.builder().add("a", 5).build())), "sums has 1 layers");
        row(2, () -> update.accept(stale), IllegalStateException.class, "sums of an earlier step");
        row(2, () -> update.accept(infinite), NonFiniteException.class, "layer \"b\" has weights");
        row(2, () -> update.accept(nan), NonFiniteException.class, "layer \"b\" has a gradient");
    }

    private void betweenSteps() {
        Lars lars = builder().momentum(0.9).learningRate(0).build();
        float[] w = Random32.normal(1, 8, 1);
        lars.step(w, Random32.normal(2, 8, 1));
        Snapshot snapshot = lars.snapshot();
        Snapshot others = Lars.builder(OTHERS).learningRate(1).build().snapshot();
        Snapshot fewer = Lars.builder(Layers.builder().add("a", 5).build())
                .learningRate(1)
                .build()
                .snapshot();
        Snapshot longer = Lars.builder(Layers.builder().add("a", 5).add("b", 4).build())
                .learningRate(1)
                .build()
                .snapshot();
        watching(() -> Bits.of(lars, w) + Bits.of(snapshot) + nextStep(lars, w, new float[8]));
        on("Lars.learningRate(double)");
        badNumbers(0, "rate", lars::learningRate, -1, NAN, INF, -INF);
        on("Lars.learningRate(Schedule)");
        isNull(0, "schedule", () -> lars.learningRate(null));
        on("Lars.restore(Snapshot)");
        isNull(0, "snapshot", () -> lars.restore(null));
        bad(0, () -> lars.restore(others), "snapshot has layer \"c\" at index 1");
        bad(0, () -> lars.restore(fewer), "snapshot has 1 layers");
        bad(0, () -> lars.restore(longer), "snapshot has length 4 for layer \"b\"");
        on("Snapshot.convertedTo(Rule)");
        isNull(0, "rule", () -> snapshot.convertedTo(null));
        bad(0, () -> snapshot.convertedTo(Dialects.SNIPPET), "rule.entry is UPDATE", "multiplied by Infinity");

        for (double rate : new double[] {-1, NAN, INF, -INF}) {
            Lars built = builder().learningRate(step -> rate).build();
            Lars set = builder().build();
            set.learningRate(step -> rate);
            watching(() -> Bits.of(built, w) + Bits.of(set, w));
            on("Lars.Builder.learningRate(Schedule)");
            bad(0, () -> built.step(w, new float[8]), "rate of step 0 is " + rate);
            on("Lars.learningRate(Schedule)");
            bad(0, () -> set.step(w, new float[8]), "rate of step 0 is " + rate);
        }
    }

    private void groups() {
        Predicate<Layer> all = layer -> true;
        Predicate<Layer> none = layer -> false;
        Pattern b = Pattern.compile("b");
        UnaryOperator<Settings> same = s -> s;
        UnaryOperator<Settings> bad = s -> s.weightDecay(-1);
        Lars.Builder builder = builder().group("b", b, same);
        watching(() -> Bits.fields(builder));
        on("Lars.Builder.group(String,Pattern,UnaryOperator)");
        isNull(0, "name", () -> builder.group(null, b, same));
        bad(0, () -> builder.group("b", b, same), "name is \"b\"", "already");
        bad(0, () -> builder().group(SURROGATE, b, same).build(), "group \"\\ud800\"", "surrogate");
        isNull(1, "pattern", () -> builder.group("c", (Pattern) null, same));
        bad(1, () -> builder.group("c", Pattern.compile("c"), same), "group \"c\" has no layers");
        isNull(2, "change", () -> builder.group("c", b, null));
        isNull(2, "the result of change", () -> builder.group("c", b, s -> null));
        bad(2, () -> builder.group("c", b, bad), "weightDecay is -1.0");
        bad(2, () -> builder().group("c", b, s -> s.nesterov(true)).build(), "layer \"b\", with group \"c\": nesterov");
        on("Lars.Builder.group(String,Predicate,UnaryOperator)");
        isNull(0, "name", () -> builder.group(null, all, same));
        bad(0, () -> builder.group("b", all, same), "name is \"b\"", "already");
        isNull(1, "layers", () -> builder.group("c", (Predicate<Layer>) null, same));
        bad(1, () -> builder.group("c", none, same), "group \"c\" has no layers");
        isNull(2, "change", () -> builder.group("c", all, null));
        bad(2, () -> builder.group("c", all, bad), "weightDecay is -1.0");

        Lars lars = builder().momentum(0.9).group("b", b, s -> s.dampening(0.1)).build();
        float[] w = Random32.normal(1, 8, 1);
        lars.step(w, Random32.normal(2, 8, 1));
        watching(() -> Inside.everything(lars, w) + nextStep(lars, w, new float[8]));
        on("Lars.addGroup(String,Predicate,UnaryOperator)");
        isNull(0, "name", () -> lars.addGroup(null, all, same));
        bad(0, () -> lars.addGroup("b", all, same), "name is \"b\"", "already");
        bad(0, () -> lars.addGroup(SURROGATE, all, same), "group \"\\ud800\"", "surrogate");
        isNull(1, "layers", () -> lars.addGroup("c", (Predicate<Layer>) null, same));
        bad(1, () -> lars.addGroup("c", none, same), "group \"c\" has no layers");
        isNull(2, "change", () -> lars.addGroup("c", all, null));
        isNull(2, "the result of change", () -> lars.addGroup("c", all, s -> null));
        bad(2, () -> lars.addGroup("c", all, bad), "weightDecay is -1.0");
        bad(2, () -> lars.addGroup("c", all, s -> s.nesterov(true)), "layer \"b\", with group \"b\", \"c\": nesterov");
        Pattern anyName = Pattern.compile("");
        on("Lars.addGroup(String,Pattern,UnaryOperator)");
        isNull(0, "name", () -> lars.addGroup(null, anyName, same));
        bad(0, () -> lars.addGroup("b", anyName, same), "name is \"b\"", "already");
        isNull(1, "pattern", () -> lars.addGroup("c", (Pattern) null, same));
        bad(1, () -> lars.addGroup("c", Pattern.compile("in no name"), same), "group \"c\" has no layers");
        isNull(2, "change", () -> lars.addGroup("c", anyName, null));
        bad(2, () -> lars.addGroup("c", anyName, bad), "weightDecay is -1.0");
        on("Lars.hyperparameters(int)");
        badLayer(lars::hyperparameters);
        on("Lars.change(UnaryOperator)");
        isNull(0, "change", () -> lars.change(null));
        isNull(0, "the result of change", () -> lars.change(s -> null));
        bad(0, () -> lars.change(bad), "weightDecay is -1.0");
        bad(0, () -> lars.change(s -> s.nesterov(true)), "layer \"b\", with group \"b\": nesterov is true");
        bad(0, () -> lars.change(s -> s.rateFactor(1)), "rateFactor is 1.0", "only for a group");
        bad(0, () -> lars.change(s -> s.maxGradientNorm(1)), "maxGradientNorm is 1.0", "only for a group");
        on("Lars.change(String,UnaryOperator)");
        isNull(0, "group", () -> lars.change(null, same));
        bad(0, () -> lars.change("c", same), "group is \"c\"", "[b]");
        isNull(1, "change", () -> lars.change("b", null));
        isNull(1, "the result of change", () -> lars.change("b", s -> null));
        bad(1, () -> lars.change("b", bad), "weightDecay is -1.0");
        bad(1, () -> lars.change("b", s -> s.momentum(0).nesterov(true)), "layer \"b\", with group \"b\": nesterov");
        on("Lars.addLayers(Layers)");
        isNull(0, "all", () -> lars.addLayers(null));
        bad(0, () -> lars.addLayers(OTHERS), "all has layer \"c\" at index 1, offset 5");
        bad(0, () -> lars.addLayers(Layers.builder().add("a", 5).build()), "all has 1 layers");
        Layers far = Layers.builder().add("a", 5).add("b", 3).add("c", 1L << 42).build();
        bad(0, () -> lars.addLayers(far), "layers have 4398046511112 elements");
        Layers unsavable = Layers.builder()
                .add("a", 5)
                .add("b", 3)
                .add("b.momentum_buffer", 1)
                .build();
        bad(0, () -> lars.addLayers(unsavable), "layers has a layer \"b.momentum_buffer\"");

        StepReport report = lars.step(w, new float[8]).copy();
        watching(() -> Bits.fields(report));
        on("StepReport.clipScale(String)");
        badGroup(report::clipScale);
        on("StepReport.gradientNorm(String)");
        badGroup(report::gradientNorm);
        on("StepReport.weightNorm(String)");
        badGroup(report::weightNorm);
    }

    private void badGroup(Consumer<String> call) {
        isNull(0, "group", () -> call.accept(null));
        bad(0, () -> call.accept("c"), "group is \"c\"", "[b]");
    }

    /** Settings are checked by the method that they are given to. */
    private void settings() {
        Lars lars = builder()
                .momentum(0.9)
                .group("b", layer -> layer.name().equals("b"), s -> s)
                .build();
        watching(() -> Inside.everything(lars));
        badSettings("dampening", Settings::dampening, lars, NAN, INF, -INF);
        badSettings("learningRate", Settings::learningRate, lars, -1, NAN, INF, -INF);
        badSettings("maxGradientNorm", Settings::maxGradientNorm, lars, 0, -1, NAN, -INF);
        badSettings("momentum", Settings::momentum, lars, -1, NAN, INF, -INF);
        badSettings("rateFactor", Settings::rateFactor, lars, -1, NAN, INF, -INF);
        badSettings("trustCoefficient", Settings::trustCoefficient, lars, 0, -1, NAN, INF, -INF);
        badSettings("weightDecay", Settings::weightDecay, lars, -1, NAN, INF, -INF);
        on("Settings.rule(Rule)");
        isNull(0, "rule", () -> lars.change(s -> s.rule(null)));
        on("Settings.learningRate(Schedule)");
        isNull(0, "schedule", () -> lars.change(s -> s.learningRate(null)));
        on("Settings.momentum(Schedule)");
        isNull(0, "momentum", () -> lars.change(s -> s.momentum(null)));
        on("Settings.trustCoefficient(Schedule)");
        isNull(0, "trustCoefficient", () -> lars.change(s -> s.trustCoefficient(null)));
        on("Settings.weightDecay(Schedule)");
        isNull(0, "weightDecay", () -> lars.change(s -> s.weightDecay(null)));
        for (double value : new double[] {-1, NAN, INF}) {
            Schedule bad = step -> value;
            Lars decay = builder().build();
            decay.change(s -> s.weightDecay(bad));
            Lars momentum = builder().build();
            momentum.change(s -> s.momentum(bad));
            Lars coefficient = builder().trustCoefficient(bad).build();
            Lars rate = builder()
                    .group("b", layer -> true, s -> s.learningRate(bad))
                    .build();
            float[] w = Random32.normal(1, 8, 1);
            watching(() -> Arrays.toString(w));
            on("Settings.weightDecay(Schedule)");
            bad(0, () -> decay.step(w, new float[8]), "weightDecay of step 0 is " + value);
            on("Settings.momentum(Schedule)");
            bad(0, () -> momentum.step(w, new float[8]), "momentum of step 0 is " + value);
            on("Lars.Builder.trustCoefficient(Schedule)");
            bad(0, () -> coefficient.step(w, new float[8]), "trustCoefficient of step 0 is " + value);
            on("Settings.learningRate(Schedule)");
            bad(0, () -> rate.step(w, new float[8]), "rate of step 0 is " + value);
        }
    }

    private void badSettings(String name, BiFunction<Settings, Double, Settings> set, Lars lars, double... values) {
        on("Settings." + name + "(double)");
        String called = name.equals("learningRate") ? "rate" : name;
        badNumbers(0, called, value -> lars.change("b", s -> set.apply(s, value)), values);
        badNumbers(0, called, value -> builder().group("b", layer -> true, s -> set.apply(s, value)), values);
        badNumbers(0, called, value -> lars.change(s -> set.apply(s, value)), values);
    }

    /** Returns a hash of what the next step does, which no misuse may prevent. */
    private static String nextStep(Lars lars, float[] w, float[] g) {
        Snapshot now = lars.snapshot();
        float[] moved = w.clone();
        String next = lars.step(moved, g) + Bits.of(lars, moved);
        lars.restore(now);
        return next;
    }

    private void gradients() {
        Gradients gradients = Gradients.of(new float[8]).scale(2).missing(1, true);
        watching(() -> Bits.fields(gradients));
        on("Gradients.of(float[])");
        isNull(0, "gradients", () -> Gradients.of((float[]) null));
        on("Gradients.scale(double)");
        badNumbers(0, "scale", gradients::scale, 0, -1, NAN, INF, -INF);
        on("Gradients.missing(int,boolean)");
        for (int layer : new int[] {-1, Integer.MIN_VALUE}) {
            badIndex(0, () -> gradients.missing(layer, true), "layer is " + layer);
            badIndex(0, () -> gradients.missing(layer, false), "layer is " + layer);
        }
        on("Gradients.squares(double[])");
        Lars lars = builder().build();
        float[] w = new float[8];
        watching(() -> Bits.of(lars, w));
        bad(0, () -> lars.step(w, Gradients.of(new float[8]).squares(new double[] {1, -INF})), "squares is -Infinity");
        row(
                0,
                () -> lars.step(w, Gradients.of(new float[8]).squares(new double[] {1, NAN})),
                NonFiniteException.class,
                "layer \"b\" has a gradient");
    }

    private void givenTrustRatios() {
        Lars lars = builder().build();
        float[] w = new float[8];
        watching(() -> Bits.of(lars, w));
        on("Gradients.trustRatios(double[])");
        for (double value : new double[] {-1, -Double.MIN_VALUE, INF, -INF}) {
            Gradients given = Gradients.of(new float[8]).trustRatios(new double[] {1, value});
            bad(0, () -> lars.step(w, given), "trustRatios is " + value, "layer \"b\"");
            bad(0, () -> lars.measure(w, given), "trustRatios is " + value, "layer \"b\"");
        }
        for (int length : new int[] {0, 1, 3}) {
            Gradients given = Gradients.of(new float[8]).trustRatios(new double[length]);
            bad(0, () -> lars.step(w, given), "trustRatios has length " + length, "must be 2");
        }
    }

    private void sumsAndReports() {
        LayerSums sums = sums(LAYERS);
        LayerSums absent = new LayerSums(LAYERS);
        StepReport report = builder().build().step(new float[8], new float[8]);
        watching(() -> Bits.fields(sums) + Bits.fields(absent) + Bits.fields(report));
        on("new LayerSums(Layers)");
        isNull(0, "layers", () -> new LayerSums(null));
        on("LayerSums.add(LayerSums)");
        isNull(0, "other", () -> sums.add(null));
        bad(0, () -> sums.add(sums(OTHERS)), "other has layer \"c\" at index 1");
        bad(0, () -> sums.add(sums(Layers.builder().add("a", 5).build())), "other has 1 layers");
        bad(0, () -> sums.add(absent), "other has no sums for layer \"a\"");
        on("LayerSums.setWeights(int,double)");
        badLayer(layer -> sums.setWeights(layer, 1));
        bad(1, () -> sums.setWeights(1, -1), "sum of layer \"b\" is -1.0");
        bad(1, () -> sums.setWeights(1, -INF), "sum of layer \"b\" is -Infinity");
        on("LayerSums.setGradients(int,double)");
        badLayer(layer -> sums.setGradients(layer, 1));
        bad(1, () -> sums.setGradients(1, -1), "sum of layer \"b\" is -1.0");
        bad(1, () -> sums.setGradients(1, -INF), "sum of layer \"b\" is -Infinity");
        on("LayerSums.setProducts(int,double)");
        badLayer(layer -> sums.setProducts(layer, 1));
        on("LayerSums.weights(int)");
        badLayer(sums::weights);
        row(0, () -> absent.weights(0), IllegalStateException.class, "w² of layer \"a\" was not measured");
        on("LayerSums.gradients(int)");
        badLayer(sums::gradients);
        row(0, () -> absent.gradients(0), IllegalStateException.class, "g² of layer \"a\" was not measured");
        on("LayerSums.products(int)");
        badLayer(sums::products);
        row(0, () -> absent.products(0), IllegalStateException.class, "w·g of layer \"a\" was not measured");
        on("LayerSums.hasWeights(int)");
        badLayer(sums::hasWeights);
        on("LayerSums.hasGradients(int)");
        badLayer(sums::hasGradients);
        on("LayerSums.hasProducts(int)");
        badLayer(sums::hasProducts);
        on("StepReport.outcome(int)");
        badLayer(report::outcome);
        on("StepReport.weightNorm(int)");
        badLayer(report::weightNorm);
        on("StepReport.gradientNorm(int)");
        badLayer(report::gradientNorm);
        on("StepReport.trustRatio(int)");
        badLayer(report::trustRatio);
        on("StepReport.effectiveRate(int)");
        badLayer(report::effectiveRate);
    }

    private void badLayer(IntConsumer call) {
        for (int layer : new int[] {-1, 2, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            badIndex(0, () -> call.accept(layer), "layer is " + layer);
        }
    }

    private void savedState() throws IOException {
        float[] buffer = Random32.normal(9, 8, 1);
        Lars lars = builder().momentum(0.9).momentumBuffer(buffer).build();
        float[] w = Random32.normal(1, 8, 1);
        float[] shorter = new float[7];
        lars.step(w, Random32.normal(2, 8, 1));
        Path file = folder.resolve("whole.safetensors");
        Checkpoint.save(file, lars, w);
        Path weightless = folder.resolve("weightless.safetensors");
        Checkpoint.save(weightless, lars);
        Checkpoint whole = Checkpoint.load(file);
        Checkpoint bare = Checkpoint.load(weightless);
        lars.step(w, Random32.normal(3, 8, 1));
        Lars others = Lars.builder(OTHERS).learningRate(1).build();
        Lars strangers = Lars.builder(Layers.builder().add("z", 8).build())
                .learningRate(1)
                .build();
        Lars closed = builder().build();
        closed.close();
        Path text = Files.writeString(folder.resolve("text"), "neither a checkpoint nor anything else");
        Path absent = folder.resolve("absent");
        watching(() -> Bits.of(lars, w, shorter, buffer)
                + Bits.of(others)
                + Bits.of(strangers)
                + Bits.files(folder)
                + whole
                + bare);

        on("Checkpoint.save(Path,Lars)");
        isNull(0, "file", () -> Checkpoint.save(null, lars));
        row(0, () -> Checkpoint.save(absent.resolve("f"), lars), NoSuchFileException.class, absent.toString());
        isNull(1, "lars", () -> Checkpoint.save(file, null));
        row(1, () -> Checkpoint.save(file, closed), IllegalStateException.class, "save was called after close");
        on("Checkpoint.save(Path,Lars,float[])");
        isNull(0, "file", () -> Checkpoint.save(null, lars, w));
        row(0, () -> Checkpoint.save(absent.resolve("f"), lars, w), NoSuchFileException.class, absent.toString());
        isNull(1, "lars", () -> Checkpoint.save(file, null, w));
        row(1, () -> Checkpoint.save(file, closed, w), IllegalStateException.class, "save was called after close");
        isNull(2, "params", () -> Checkpoint.save(file, lars, (float[]) null));
        bad(2, () -> Checkpoint.save(file, lars, shorter), "params has length 7", "8");
        bad(2, () -> Checkpoint.save(file, lars, buffer), "params is the same array as the momentum buffer");

        on("Checkpoint.load(Path)");
        isNull(0, "file", () -> Checkpoint.load(null));
        row(0, () -> Checkpoint.load(absent), NoSuchFileException.class, absent.toString());
        row(0, () -> Checkpoint.load(text), SafeTensorsException.class, text.toString());
        on("Checkpoint.restore(Lars)");
        isNull(0, "lars", () -> whole.restore(null));
        row(0, () -> whole.restore(closed), IllegalStateException.class, "restore was called after close");
        bad(0, () -> whole.restore(others), "differ from the optimizer's", "\"c\"", "\"b\"");
        on("Checkpoint.restore(Lars,float[])");
        isNull(0, "lars", () -> whole.restore(null, w));
        row(0, () -> whole.restore(closed, w), IllegalStateException.class, "restore was called after close");
        bad(0, () -> whole.restore(others, w), "differ from the optimizer's", "\"c\"", "\"b\"");
        badRestoredParams(1, params -> whole.restore(lars, params), params -> bare.restore(lars, params), w, buffer);
        on("Checkpoint.restoreMatching(Lars)");
        isNull(0, "lars", () -> whole.restoreMatching(null));
        row(0, () -> whole.restoreMatching(closed), IllegalStateException.class, "restore was called after close");
        bad(0, () -> whole.restoreMatching(strangers), "differ from the optimizer's, and none matches", "\"z\"");
        on("Checkpoint.restoreMatching(Lars,float[])");
        isNull(0, "lars", () -> whole.restoreMatching(null, w));
        row(0, () -> whole.restoreMatching(closed, w), IllegalStateException.class, "restore was called after close");
        bad(0, () -> whole.restoreMatching(strangers, w), "differ from the optimizer's, and none matches", "\"z\"");
        badRestoredParams(
                1,
                params -> whole.restoreMatching(lars, params),
                params -> bare.restoreMatching(lars, params),
                w,
                buffer);
        on("Checkpoint.restoreMatching(Lars,String)");
        isNull(0, "lars", () -> whole.restoreMatching(null, ""));
        row(0, () -> whole.restoreMatching(closed, ""), IllegalStateException.class, "restore was called after close");
        isNull(1, "prefix", () -> whole.restoreMatching(lars, (String) null));
        bad(
                1,
                () -> whole.restoreMatching(lars, "x."),
                "differ from the optimizer's, and none matches",
                "\"x.a\"",
                "prefix \"\"");
        on("Checkpoint.restoreMatching(Lars,float[],String)");
        isNull(0, "lars", () -> whole.restoreMatching(null, w, ""));
        row(0, () -> whole.restoreMatching(closed, w, ""), IllegalStateException.class, "restore was called after");
        badRestoredParams(
                1,
                params -> whole.restoreMatching(lars, params, ""),
                params -> bare.restoreMatching(lars, params, ""),
                w,
                buffer);
        isNull(2, "prefix", () -> whole.restoreMatching(lars, w, null));
        bad(2, () -> whole.restoreMatching(lars, w, "x."), "differ from the optimizer's, and none matches", "\"x.a\"");
    }

    private interface Restoring {
        void into(float[] params) throws IOException;
    }

    private void badRestoredParams(int parameter, Restoring whole, Restoring weightless, float[] w, float[] buffer) {
        isNull(parameter, "params", () -> whole.into(null));
        bad(parameter, () -> whole.into(new float[7]), "params has length 7", "8");
        bad(parameter, () -> whole.into(buffer), "params is the same array as the momentum buffer");
        bad(parameter, () -> weightless.into(w), "params is given", "no weights");
    }

    private void numbersOfPyTorch() throws IOException {
        float[] buffer = Random32.normal(9, 8, 1);
        Lars lars = builder().momentum(0.9).momentumBuffer(buffer).build();
        Lars closed = builder().build();
        closed.close();
        float[] w = Random32.normal(1, 8, 1);
        float[] m = Random32.normal(3, 8, 1);
        Path file = write("pytorch", torch(w, m));
        float[] spoilt = m.clone();
        spoilt[2] = Float.NaN;
        Path nan = write("nan", torch(w, spoilt));
        Path weightless = write("momenta", momenta(m));
        Path wide = write(
                "wide", momenta(m).floats("a", List.of(4L), w, 0).bytes("b", Dtype.I32, List.of(3L), new byte[12], 0));
        Path step = write("step", torch(w, m).metadata("step", "-1"));
        Path text = Files.writeString(folder.resolve("words"), "no safetensors file, but long enough");
        Path absent = folder.resolve("absent");
        watching(() -> Bits.of(lars, w, m, buffer) + Bits.files(folder));

        on("PyTorchState.restore(Path,Lars)");
        isNull(0, "file", () -> PyTorchState.restore(null, lars));
        row(0, () -> PyTorchState.restore(absent, lars), NoSuchFileException.class, absent.toString());
        row(0, () -> PyTorchState.restore(text, lars), SafeTensorsException.class, text.toString());
        row(0, () -> PyTorchState.restore(step, lars), SafeTensorsException.class, step.toString(), "\"-1\"");
        bad(0, () -> PyTorchState.restore(nan, lars), "the file does not fit", "\"a.momentum_buffer\": it is NaN at 2");
        isNull(1, "lars", () -> PyTorchState.restore(file, null));
        row(1, () -> PyTorchState.restore(file, closed), IllegalStateException.class, "restore was called after close");
        on("PyTorchState.restore(Path,Lars,float[])");
        isNull(0, "file", () -> PyTorchState.restore(null, lars, w));
        row(0, () -> PyTorchState.restore(absent, lars, w), NoSuchFileException.class, absent.toString());
        row(0, () -> PyTorchState.restore(text, lars, w), SafeTensorsException.class, text.toString());
        row(0, () -> PyTorchState.restore(step, lars, w), SafeTensorsException.class, step.toString(), "\"-1\"");
        bad(0, () -> PyTorchState.restore(nan, lars, w), "the file does not fit", "it is NaN at 2");
        bad(0, () -> PyTorchState.restore(weightless, lars, w), "the file does not fit", "\"a\": the file has no such");
        bad(0, () -> PyTorchState.restore(wide, lars, w), "\"a\": its length is 4", "\"b\": its dtype is I32");
        isNull(1, "lars", () -> PyTorchState.restore(file, null, w));
        row(
                1,
                () -> PyTorchState.restore(file, closed, w),
                IllegalStateException.class,
                "restore was called after close");
        isNull(2, "params", () -> PyTorchState.restore(file, lars, (float[]) null));
        bad(2, () -> PyTorchState.restore(file, lars, new float[7]), "params has length 7", "8");
        bad(2, () -> PyTorchState.restore(file, lars, buffer), "params is the same array as the momentum buffer");
        on("PyTorchState.restore(Path,Lars,String)");
        isNull(0, "file", () -> PyTorchState.restore(null, lars, ""));
        row(0, () -> PyTorchState.restore(text, lars, ""), SafeTensorsException.class, text.toString());
        isNull(1, "lars", () -> PyTorchState.restore(file, null, ""));
        isNull(2, "prefix", () -> PyTorchState.restore(file, lars, (String) null));
        bad(2, () -> PyTorchState.restore(file, lars, "x."), "no momentum for any layer", "prefix \"\"");
        on("PyTorchState.restore(Path,Lars,float[],String)");
        isNull(0, "file", () -> PyTorchState.restore(null, lars, w, ""));
        row(0, () -> PyTorchState.restore(text, lars, w, ""), SafeTensorsException.class, text.toString());
        isNull(1, "lars", () -> PyTorchState.restore(file, null, w, ""));
        isNull(2, "params", () -> PyTorchState.restore(file, lars, (float[]) null, ""));
        bad(2, () -> PyTorchState.restore(file, lars, new float[7], ""), "params has length 7", "8");
        isNull(3, "prefix", () -> PyTorchState.restore(file, lars, w, null));
        bad(3, () -> PyTorchState.restore(file, lars, w, "x."), "the file does not fit", "\"x.a\"", "prefix \"\"");
    }

    private static SafeTensorsWriter momenta(float[] m) {
        return new SafeTensorsWriter()
                .floats("a.momentum_buffer", List.of(5L), m, 0)
                .floats("b.momentum_buffer", List.of(3L), m, 5);
    }

    private static SafeTensorsWriter torch(float[] w, float[] m) {
        return momenta(m).floats("a", List.of(5L), w, 0).floats("b", List.of(3L), w, 5);
    }

    private Path write(String name, SafeTensorsWriter writer) throws IOException {
        Path file = folder.resolve(name);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writer.writeTo(channel);
        }
        return file;
    }

    private void tensorDescriptions() {
        List<Long> two = List.of(2L);
        watching(() -> "");
        on("new TensorInfo(String,Dtype,List,long,long)");
        isNull(0, "name", () -> new TensorInfo(null, Dtype.F32, two, 0, 8));
        bad(0, () -> new TensorInfo("__metadata__", Dtype.F32, two, 0, 8), "name is \"__metadata__\"");
        isNull(1, "dtype", () -> new TensorInfo("t", null, two, 0, 8));
        bad(1, () -> new TensorInfo("t", Dtype.F4, List.of(3L), 0, 1), "F4 takes 12 bits");
        isNull(2, "shape", () -> new TensorInfo("t", Dtype.F32, null, 0, 8));
        isNull(2, "shape is null at 1", () -> new TensorInfo("t", Dtype.F32, Arrays.asList(2L, null), 0, 8));
        isNull(2, "shape is null at 0", () -> new TensorInfo("t", Dtype.F32, Arrays.asList(null, 2L), 0, 8));
        bad(2, () -> new TensorInfo("t", Dtype.F32, List.of(-2L), 0, 8), "shape [-2] has dimension -2");
        bad(2, () -> new TensorInfo("t", Dtype.F32, List.of(1L << 32, 1L << 32), 0, 8), "shape [4294967296, ");
        bad(3, () -> new TensorInfo("t", Dtype.F32, two, -8, 0), "data_offsets is [-8, 0]", "0 <= begin");
        bad(3, () -> new TensorInfo("t", Dtype.F32, two, 8, 0), "data_offsets is [8, 0]", "begin <= end");
        bad(4, () -> new TensorInfo("t", Dtype.F32, two, 0, -8), "data_offsets is [0, -8]", "begin <= end");
        bad(4, () -> new TensorInfo("t", Dtype.F32, two, 0, 9), "data_offsets [0, 9] span 9 bytes", "exactly 8");
        on("SafeTensorsException.quote(String)");
        isNull(0, "text", () -> SafeTensorsException.quote(null));
    }

    /** A file of three tensors: {@code f} of 3 floats, {@code d} of 2 doubles, {@code u} of 4 bytes. */
    private Path tensors() throws IOException {
        return write(
                "tensors",
                new SafeTensorsWriter()
                        .floats("f", List.of(3L), new float[] {1, 2, 3}, 0)
                        .doubles("d", List.of(2L), new double[] {4, 5}, 0)
                        .bytes("u", Dtype.U8, List.of(4L), new byte[] {6, 7, 8, 9}, 0));
    }

    private void reading(SafeTensorsFile file) throws IOException {
        float[] floats = new float[3];
        double[] doubles = new double[2];
        byte[] bytes = new byte[4];
        ByteSink sink = chunk -> {
            throw new AssertionError("no bytes are passed on");
        };
        Path text = Files.writeString(folder.resolve("prose"), "no safetensors file, but long enough");
        Path absent = folder.resolve("absent");
        watching(() -> Arrays.toString(floats)
                + Arrays.toString(doubles)
                + Arrays.toString(bytes)
                + file.tensors()
                + Bits.files(folder));

        on("SafeTensorsFile.open(Path)");
        isNull(0, "file", () -> SafeTensorsFile.open(null));
        row(0, () -> SafeTensorsFile.open(absent), NoSuchFileException.class, absent.toString());
        row(0, () -> SafeTensorsFile.open(text), SafeTensorsException.class, text.toString());

        on("SafeTensorsFile.readFloats(String,float[],int)");
        isNull(0, "name", () -> file.readFloats(null, floats, 0));
        bad(0, () -> file.readFloats("x", floats, 0), "name is \"x\"");
        bad(
                0,
                () -> file.readFloats("d", floats, 0),
                "name is \"d\", a tensor of dtype F64; its dtype must be one of [F32, F16, BF16]");
        isNull(1, "destination", () -> file.readFloats("f", null, 0));
        bad(1, () -> file.readFloats("f", new float[2], 0), "destination.length is 2", "3 or more");
        bad(2, () -> file.readFloats("f", floats, -1), "offset is -1");
        bad(2, () -> file.readFloats("f", floats, 1), "offset is 1", "[0, 0]");
        bad(2, () -> file.readFloats("f", floats, Integer.MAX_VALUE), "offset is 2147483647");
        on("SafeTensorsFile.readFloats(String,long,float[],int,int)");
        isNull(0, "name", () -> file.readFloats(null, 0, floats, 0, 1));
        bad(0, () -> file.readFloats("x", 0, floats, 0, 1), "name is \"x\"");
        bad(
                0,
                () -> file.readFloats("d", 0, floats, 0, 1),
                "name is \"d\", a tensor of dtype F64; its dtype must be one of [F32, F16, BF16]");
        bad(1, () -> file.readFloats("f", -1, floats, 0, 1), "first is -1");
        bad(1, () -> file.readFloats("f", 4, floats, 0, 0), "first is 4", "[0, 3]");
        isNull(2, "destination", () -> file.readFloats("f", 0, null, 0, 0));
        bad(2, () -> file.readFloats("f", 0, new float[2], 0, 3), "destination.length is 2", "3 or more");
        bad(3, () -> file.readFloats("f", 0, floats, -1, 1), "offset is -1");
        bad(3, () -> file.readFloats("f", 0, floats, 3, 1), "offset is 3", "[0, 2]");
        bad(4, () -> file.readFloats("f", 0, floats, 0, -1), "count is -1");
        bad(4, () -> file.readFloats("f", 1, floats, 0, 3), "count is 3", "[0, 2]");
        on("SafeTensorsFile.readFloats(String,long,MemorySegment)");
        MemorySegment segment = MemorySegment.ofArray(floats);
        isNull(0, "name", () -> file.readFloats(null, 0, segment));
        bad(0, () -> file.readFloats("x", 0, segment), "name is \"x\"");
        bad(
                0,
                () -> file.readFloats("d", 0, segment),
                "name is \"d\", a tensor of dtype F64; its dtype must be one of [F32, F16, BF16]");
        bad(1, () -> file.readFloats("f", -1, segment), "first is -1");
        bad(1, () -> file.readFloats("f", 4, segment.asSlice(0, 0)), "first is 4", "[0, 3]");
        isNull(2, "destination", () -> file.readFloats("f", 0, null));
        bad(2, () -> file.readFloats("f", 1, segment), "destination.byteSize() is 12", "[0, 2]");
        bad(2, () -> file.readFloats("f", 0, segment.asSlice(1)), "destination.byteSize() is 11", "4 times");
        bad(2, () -> file.readFloats("f", 0, segment.asReadOnly()), "destination is read-only");
        row(2, () -> file.readFloats("f", 0, closed()), IllegalStateException.class, "destination lies in", "closed");
        on("SafeTensorsFile.mapFloats(Path,Arena)");
        isNull(0, "file", () -> SafeTensorsFile.mapFloats(null, Arena.global()));
        Path tensors = folder.resolve("tensors");
        isNull(1, "arena", () -> SafeTensorsFile.mapFloats(tensors, null));
        // A big-endian machine refuses every file.
        if (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN) {
            row(0, () -> SafeTensorsFile.mapFloats(absent, Arena.global()), NoSuchFileException.class, "" + absent);
            row(0, () -> SafeTensorsFile.mapFloats(text, Arena.global()), SafeTensorsException.class, "" + text);
            row(
                    1,
                    () -> SafeTensorsFile.mapFloats(tensors, closedArena()),
                    IllegalStateException.class,
                    "arena is closed");
        }

        on("SafeTensorsFile.readDoubles(String,double[],int)");
        isNull(0, "name", () -> file.readDoubles(null, doubles, 0));
        bad(0, () -> file.readDoubles("x", doubles, 0), "name is \"x\"");
        bad(
                0,
                () -> file.readDoubles("f", doubles, 0),
                "name is \"f\", a tensor of dtype F32; its dtype must be one of [F64]");
        isNull(1, "destination", () -> file.readDoubles("d", null, 0));
        bad(1, () -> file.readDoubles("d", new double[1], 0), "destination.length is 1", "2 or more");
        bad(2, () -> file.readDoubles("d", doubles, -1), "offset is -1");
        bad(2, () -> file.readDoubles("d", doubles, 1), "offset is 1", "[0, 0]");
        bad(2, () -> file.readDoubles("d", doubles, Integer.MAX_VALUE), "offset is 2147483647");
        on("SafeTensorsFile.readDoubles(String,long,double[],int,int)");
        isNull(0, "name", () -> file.readDoubles(null, 0, doubles, 0, 1));
        bad(0, () -> file.readDoubles("x", 0, doubles, 0, 1), "name is \"x\"");
        bad(
                0,
                () -> file.readDoubles("f", 0, doubles, 0, 1),
                "name is \"f\", a tensor of dtype F32; its dtype must be one of [F64]");
        bad(1, () -> file.readDoubles("d", -1, doubles, 0, 1), "first is -1");
        bad(1, () -> file.readDoubles("d", 3, doubles, 0, 0), "first is 3", "[0, 2]");
        isNull(2, "destination", () -> file.readDoubles("d", 0, null, 0, 0));
        bad(2, () -> file.readDoubles("d", 0, new double[1], 0, 2), "destination.length is 1", "2 or more");
        bad(3, () -> file.readDoubles("d", 0, doubles, -1, 1), "offset is -1");
        bad(3, () -> file.readDoubles("d", 0, doubles, 2, 1), "offset is 2", "[0, 1]");
        bad(4, () -> file.readDoubles("d", 0, doubles, 0, -1), "count is -1");
        bad(4, () -> file.readDoubles("d", 1, doubles, 0, 2), "count is 2", "[0, 1]");

        on("SafeTensorsFile.readBytes(String,byte[],int)");
        isNull(0, "name", () -> file.readBytes(null, bytes, 0));
        bad(0, () -> file.readBytes("x", bytes, 0), "name is \"x\"");
        isNull(1, "destination", () -> file.readBytes("u", null, 0));
        bad(1, () -> file.readBytes("u", new byte[3], 0), "destination.length is 3", "4 or more");
        bad(2, () -> file.readBytes("u", bytes, -1), "offset is -1");
        bad(2, () -> file.readBytes("u", bytes, 1), "offset is 1", "[0, 0]");
        on("SafeTensorsFile.copyDataTo(ByteSink)");
        isNull(0, "sink", () -> file.copyDataTo(null));
        on("SafeTensorsFile.copyTo(long,long,ByteSink)");
        bad(0, () -> file.copyTo(-1, 4, sink), "begin is -1");
        bad(0, () -> file.copyTo(5, 4, sink), "begin is 5 and end is 4");
        bad(1, () -> file.copyTo(0, -1, sink), "end is -1");
        bad(1, () -> file.copyTo(0, file.size() + 1, sink), "end is " + (file.size() + 1), "<= " + file.size());
        isNull(2, "sink", () -> file.copyTo(0, 4, null));
        isNull(2, "sink", () -> file.copyTo(4, 4, null));
    }

    private void writing() {
        float[] floats = new float[3];
        double[] doubles = new double[3];
        byte[] bytes = new byte[3];
        List<Long> two = List.of(2L);
        List<Long> holed = Arrays.asList(1L, null);
        List<Long> negative = List.of(-1L);
        List<Long> four = List.of(4L);
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("k", "v").floats("t", List.of(3L), floats, 0);
        watching(() -> Bits.fields(writer) + writer.size());

        on("SafeTensorsWriter.metadata(String,String)");
        isNull(0, "key", () -> writer.metadata(null, "v"));
        bad(0, () -> writer.metadata(SURROGATE, "v"), "key is \"\\ud800\"");
        isNull(1, "value", () -> writer.metadata("k", null));
        bad(1, () -> writer.metadata("k", SURROGATE), "value is \"\\ud800\"");

        on("SafeTensorsWriter.floats(String,List,float[],int)");
        badTensor((name, shape) -> writer.floats(name, shape, floats, 0));
        isNull(2, "data", () -> writer.floats("u", two, null, 0));
        bad(2, () -> writer.floats("u", four, floats, 0), "data.length is 3", "4 or more");
        bad(3, () -> writer.floats("u", two, floats, -1), "offset is -1", "[0, 1]");
        bad(3, () -> writer.floats("u", two, floats, 2), "offset is 2", "[0, 1]");
        bad(3, () -> writer.floats("u", two, floats, Integer.MAX_VALUE), "offset is 2147483647");
        on("SafeTensorsWriter.floats(String,List,MemorySegment)");
        MemorySegment segment = MemorySegment.ofArray(floats);
        badTensor((name, shape) -> writer.floats(name, shape, segment));
        isNull(2, "data", () -> writer.floats("u", two, null));
        bad(2, () -> writer.floats("u", four, segment), "data.byteSize() is 12", "16 or more");
        row(2, () -> writer.floats("u", two, closed()), IllegalStateException.class, "data lies in", "closed");
        on("SafeTensorsWriter.doubles(String,List,double[],int)");
        badTensor((name, shape) -> writer.doubles(name, shape, doubles, 0));
        isNull(2, "data", () -> writer.doubles("u", two, null, 0));
        bad(2, () -> writer.doubles("u", four, doubles, 0), "data.length is 3", "4 or more");
        bad(3, () -> writer.doubles("u", two, doubles, -1), "offset is -1", "[0, 1]");
        bad(3, () -> writer.doubles("u", two, doubles, 2), "offset is 2", "[0, 1]");
        bad(3, () -> writer.doubles("u", two, doubles, Integer.MAX_VALUE), "offset is 2147483647");

        on("SafeTensorsWriter.bytes(String,Dtype,List,byte[],int)");
        isNull(0, "name", () -> writer.bytes(null, Dtype.U8, two, bytes, 0));
        bad(0, () -> writer.bytes("t", Dtype.U8, two, bytes, 0), "name is \"t\"");
        bad(0, () -> writer.bytes("__metadata__", Dtype.U8, two, bytes, 0), "name is \"__metadata__\"");
        bad(0, () -> writer.bytes(SURROGATE, Dtype.U8, two, bytes, 0), "name is \"\\ud800\"");
        isNull(1, "dtype", () -> writer.bytes("u", null, two, bytes, 0));
        bad(1, () -> writer.bytes("u", Dtype.F4, List.of(3L), bytes, 0), "F4 takes 12 bits");
        isNull(2, "shape", () -> writer.bytes("u", Dtype.U8, null, bytes, 0));
        isNull(2, "shape is null at 1", () -> writer.bytes("u", Dtype.U8, holed, bytes, 0));
        bad(2, () -> writer.bytes("u", Dtype.U8, negative, bytes, 0), "shape [-1] has dimension -1");
        isNull(3, "data", () -> writer.bytes("u", Dtype.U8, two, null, 0));
        bad(3, () -> writer.bytes("u", Dtype.F32, List.of(1L), bytes, 0), "data.length is 3", "4 or more");
        bad(4, () -> writer.bytes("u", Dtype.U8, two, bytes, -1), "offset is -1", "[0, 1]");
        bad(4, () -> writer.bytes("u", Dtype.U8, two, bytes, 2), "offset is 2", "[0, 1]");

        on("SafeTensorsWriter.writeTo(WritableByteChannel)");
        isNull(0, "channel", () -> writer.writeTo(null));
        row(0, () -> writer.writeTo(new FullChannel()), IOException.class, "the channel took 0 of 8 bytes");
    }

    private static Arena closedArena() {
        try (Arena arena = Arena.ofConfined()) {
            return arena;
        }
    }

    /** Returns a segment that can no longer be accessed. */
    private static MemorySegment closed() {
        try (Arena arena = Arena.ofConfined()) {
            return arena.allocate(8);
        }
    }

    private void badTensor(BiConsumer<String, List<Long>> add) {
        List<Long> two = List.of(2L);
        isNull(0, "name", () -> add.accept(null, two));
        bad(0, () -> add.accept("t", two), "name is \"t\"");
        bad(0, () -> add.accept("__metadata__", two), "name is \"__metadata__\"");
        bad(0, () -> add.accept(SURROGATE, two), "name is \"\\ud800\"");
        isNull(1, "shape", () -> add.accept("u", null));
        isNull(1, "shape is null at 1", () -> add.accept("u", Arrays.asList(1L, null)));
        bad(1, () -> add.accept("u", List.of(-1L)), "shape [-1] has dimension -1");
        bad(1, () -> add.accept("u", List.of(1L << 32, 1L << 32)), "shape [4294967296, ", "overflows");
    }

    private void withoutBadValues() {
        noBadValue(
                "pure functions that accept every number, as their javadoc says",
                "Rule.needsProducts(boolean,double)#1",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#1",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#2",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#3",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#4",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#5",
                "Rule.trustRatio(boolean,double,double,double,double,double,double)#6",
                "Rule.effectiveDecay(boolean,double,double,double,double)#1",
                "Rule.effectiveDecay(boolean,double,double,double,double)#2",
                "Rule.effectiveDecay(boolean,double,double,double,double)#3",
                "Rule.effectiveDecay(boolean,double,double,double,double)#4",
                "Rule.gradientScale(double,double)#0",
                "Rule.gradientScale(double,double)#1",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#1",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#2",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#3",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#4",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#5",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#6",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#7",
                "Rule.trustRatio(boolean,double,double,double,double,double,double,int,long)#8",
                "Bounds.of(double)#0",
                "Rule.Entry.in(double,double)#0",
                "Rule.Entry.in(double,double)#1",
                "Rule.Entry.out(double,double)#0",
                "Rule.Entry.out(double,double)#1");
        noBadValue(
                "a sum of products may have either sign, and the next step checks that it is finite",
                "LayerSums.setProducts(int,double)#1");
        noBadValue(
                "any bits are an element, any float is rounded, and any number is a seed",
                "Format.toFloat(short)#0",
                "Format.toShort(float)#0",
                "Lars.Builder.stochasticRounding(long)#0");
        noBadValue(
                "called by the library, implemented by the caller",
                "Schedule.rate(long)#0",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#0",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#1",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#2",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#3",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#4",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#5",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#6",
                "TrustRatio.of(double,double,double,double,double,double,int,long)#7",
                "ByteSink.accept(ByteBuffer)#0");
        noBadValue(
                "an exception's message and cause may be anything, and null",
                "new SafeTensorsException(String)#0",
                "new SafeTensorsException(String,Throwable)#0",
                "new SafeTensorsException(String,Throwable)#1");
    }
}
