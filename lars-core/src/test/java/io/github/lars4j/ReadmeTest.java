package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java in the documents compiles as it is printed, and the trainers of the README train. */
@Tag("no-mutants")
class ReadmeTest {

    private static final Path ROOT = Path.of("..");
    private static final List<String> DOCUMENTS =
            List.of("README.md", "docs/pytorch-state.md", "docs/recording.md", "docs/recipes.md", "docs/rules.md");
    private static final Pattern BLOCK = Pattern.compile("^```java\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);

    /**
     * What a block needs around it to compile.
     *
     * @param begins how the block begins
     * @param parameters the variables that it uses without declaring them, as a method's parameters
     * @param members the methods and types that it uses without declaring them
     */
    private record Frame(String begins, String parameters, String members) {}

    private static final String GRADIENTS =
            "static float[] gradients(long step, float[] weights) { return weights.clone(); }";

    /** The README's first example. Its loss is ‖w‖² / 2, whose gradient is w, and falls with every step. */
    private static final Frame TRAINER = new Frame("Layers layers = Layers.builder()", "", """
            record Batch(int number) {}

            static final List<Batch> batches = List.of(new Batch(0), new Batch(1), new Batch(2), new Batch(3));
            public static final List<Double> losses = new ArrayList<>();

            static float[] initialWeights() {
                float[] weights = new float[512 * 784 + 512 + 10 * 512 + 10];
                Arrays.fill(weights, 0.5f);
                return weights;
            }

            static void backward(float[] weights, Batch batch, float[] gradients) {
                double loss = 0;
                for (int i = 0; i < weights.length; i++) {
                    loss += 0.5 * weights[i] * weights[i];
                    gradients[i] = weights[i];
                }
                losses.add(loss);
            }
            """);

    private static final String LAYERS = """
            record Batch(int number) {}

            static final List<Batch> batches = List.of(new Batch(0), new Batch(1), new Batch(2), new Batch(3));
            static final Layers layers = Layers.builder().add("a", 5000).add("b", 7).build();
            public static final List<Double> losses = new ArrayList<>();
            """;

    /** The README's trainer with an array a layer, and the same loss. */
    private static final Frame ARRAYS = new Frame("float[][] weights = initialWeights()", "", LAYERS + """

            static float[][] initialWeights() {
                float[][] weights = {new float[5000], new float[7]};
                for (float[] layer : weights) {
                    Arrays.fill(layer, 0.5f);
                }
                return weights;
            }

            static void backward(float[][] weights, Batch batch, float[][] gradients) {
                double loss = 0;
                for (int i = 0; i < weights.length; i++) {
                    for (int e = 0; e < weights[i].length; e++) {
                        loss += 0.5 * weights[i][e] * weights[i][e];
                        gradients[i][e] = weights[i][e];
                    }
                }
                losses.add(loss);
            }
            """);

    /** The README's trainer outside the heap, and the same loss. */
    private static final Frame NATIVE = new Frame("try (Arena arena = Arena.ofShared();", "", LAYERS + """

            static void initialize(MemorySegment weights) {
                for (long e = 0; e < layers.end(); e++) {
                    weights.setAtIndex(ValueLayout.JAVA_FLOAT, e, 0.5f);
                }
            }

            static void backward(MemorySegment weights, Batch batch, MemorySegment gradients) {
                double loss = 0;
                for (long e = 0; e < layers.end(); e++) {
                    float w = weights.getAtIndex(ValueLayout.JAVA_FLOAT, e);
                    loss += 0.5 * w * w;
                    gradients.setAtIndex(ValueLayout.JAVA_FLOAT, e, w);
                }
                losses.add(loss);
            }
            """);

    /** The README's trainer in mixed precision. */
    private static final Frame MIXED = new Frame("short[] halves = new short[", "", LAYERS + """

            static float[] initialWeights() {
                float[] weights = new float[5007];
                Arrays.fill(weights, 0.5f);
                return weights;
            }

            static void backward(short[] halves, Batch batch, short[] gradients) {
                System.arraycopy(halves, 0, gradients, 0, halves.length);
            }
            """);

    private static final List<Frame> FRAMES = List.of(
            TRAINER,
            ARRAYS,
            NATIVE,
            MIXED,
            new Frame(
                    "Path model = ",
                    "Layers layers, MemorySegment gradients, Tensors grads, long steps",
                    "static void backward(MemorySegment[] weights, MemorySegment gradients) {}"),
            new Frame(
                    "lars.beginStep(weights);",
                    "Layers layers, Lars lars, float[] weights, float[] buffer",
                    "static void backward(int layer, float[] buffer) {}"),
            new Frame("Schedule mlperf = ", "", ""),
            new Frame("Path file = Path.of(\"run.safetensors\");", "Lars lars, float[] weights, long steps", GRADIENTS),
            new Frame(
                    "AtomicBoolean stop = new AtomicBoolean();",
                    "Path file, Lars lars, float[] weights, long steps",
                    GRADIENTS),
            new Frame(
                    "Gradients scaled = Gradients.of(gradients)",
                    "Layers layers, Lars lars, float[] weights, float[] gradients, double loss, double lossScale,"
                            + " LayerSums otherShard",
                    ""),
            new Frame("Layers.Builder network = ", "", ""),
            new Frame("builder.treatOneDimensional(", "Layers.Builder builder", ""),
            new Frame("Rule.Entry velocity = ", "double minNorm", ""),
            new Frame(
                    "LayerSums sums = lars.measure(weights, scaled);",
                    "Lars lars, float[] weights, Gradients scaled",
                    ""),
            new Frame("Rule lbsgd = Rule.of(", "Layers layers", ""),
            new Frame(
                    "double[] ratios = new double[layers.size()];",
                    "Layers layers, Lars lars, float[] weights, float[] gradients",
                    ""),
            new Frame("Restored restored = PyTorchState.restore(", "Lars lars, float[] params", ""),
            new Frame("Checkpoint.save(Path.of(\"run.safetensors\")", "Lars lars, float[] params", ""),
            new Frame(
                    "double scale = 0x1p16;",
                    "Lars lars, float[] weights, float[] gradients, long steps",
                    "static void backward(float[] weights, double scale, float[] gradients) {}"),
            recipe("int examples = 60_000"),
            recipe("record Point("),
            recipe("record Solver("),
            recipe("int batch = 4_096, epochs = 100;"),
            recipe("int batch = 2_048"),
            recipe("int batch = 4_096, epochs = 800;"));

    /** The rates of the recipes at some steps, worked by hand from their sources. */
    private static final Map<String, Map<Long, Double>> RATES = Map.of(
            // 150 steps, a sixth of them warm-up; at step 105 there are 45 left of 125, and 0.36 to the power of 1.5 is
            // 0.216
            "int examples = 60_000", Map.of(0L, 15 / 26.0, 24L, 15 * 25 / 26.0, 25L, 15.0, 105L, 3.24, 150L, 0.0),
            // 313 steps an epoch
            "record Point(",
                    Map.of(
                            0L,
                            0.0,
                            1564L,
                            10 * 1564 / 1565.0,
                            1565L,
                            10.0,
                            1565L + 13_137 / 3,
                            1e-4 + (10 - 1e-4) * 4 / 9),
            "record Solver(", Map.of(0L, 1.0, 300L, 5.5, 7800L, 2.5, 15_600L, 0.0),
            // 31279 steps, 3127 of them warm-up
            "int batch = 4_096, epochs = 100;", Map.of(0L, 0.0, 3127L, 4.8, 3127L + 14_076, 2.4, 31_279L, 0.0),
            // 626 steps an epoch
            "int batch = 2_048", Map.of(0L, 0.0, 3130L, 0.8, 6260L, 1.6, 316_130L, 0.8008, 626_000L, 0.0016),
            // 312 steps an epoch
            "int batch = 4_096, epochs = 800;",
                    Map.of(0L, 0.3, 3119L, 4.8, 3120L, 4.8, 126_360L, 2.4024, 249_600L, 0.0048));

    /** How blocks begin that lars-bench holds: {@code ReadmeExampleTest} and {@code RecordingExampleTest}. */
    private static final List<String> QUOTED =
            List.of("// Network.java:", "import io.github.lars4j.bench.replay.Recording;");

    /** Returns the frame of a block of docs/recipes.md that makes {@code schedule} and {@code lars} for a network. */
    private static Frame recipe(String begins) {
        return new Frame(begins, "Layers.Builder network, Gradients scaled", "public static Schedule found;");
    }

    @TempDir
    Path folder;

    @BeforeEach
    void requireTheDocuments() {
        for (String document : DOCUMENTS) {
            assumeTrue(
                    Files.exists(ROOT.resolve(document)),
                    () -> document + " is not in the folder above this module, as in a jar of the sources");
        }
    }

    @Test
    void everyBlockCompiles() throws Exception {
        List<String> begins = new ArrayList<>(QUOTED);
        FRAMES.forEach(frame -> begins.add(frame.begins()));
        List<String> unused = new ArrayList<>(begins);
        List<String> unknown = new ArrayList<>();
        List<JavaFileObject> sources = new ArrayList<>();
        for (String document : DOCUMENTS) {
            for (String block : blocks(document)) {
                List<String> found = begins.stream().filter(block::startsWith).toList();
                if (found.size() != 1) {
                    unknown.add(document + ": " + block);
                }
                unused.removeAll(found);
                for (Frame frame : FRAMES) {
                    if (block.startsWith(frame.begins())) {
                        sources.add(source("Block" + sources.size(), frame, block));
                    }
                }
            }
        }
        assertEquals(List.of(), unknown, "blocks that are neither in FRAMES nor in QUOTED, or twice");
        assertEquals(List.of(), unused, "what no document has");
        compile(sources);
    }

    @Test
    void theTrainersTrain() throws Exception {
        for (Frame frame : List.of(TRAINER, ARRAYS, NATIVE)) {
            List<String> trainers = blocks("README.md").stream()
                    .filter(block -> block.startsWith(frame.begins()))
                    .toList();
            assertEquals(1, trainers.size());
            String name = "Trainer" + FRAMES.indexOf(frame);
            compile(List.of(source(name, frame, trainers.getFirst())));
            try (URLClassLoader loader = new URLClassLoader(
                    new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
                Class<?> trainer = loader.loadClass(name);
                trainer.getMethod("run").invoke(null);
                List<?> losses = (List<?>) trainer.getField("losses").get(null);
                assertEquals(4, losses.size(), "one step for each batch");
                for (int i = 1; i < losses.size(); i++) {
                    assertTrue((double) losses.get(i) < (double) losses.get(i - 1), "the loss falls: " + losses);
                }
            }
        }
    }

    @Test
    void theRecipesBuildTheirOptimizersWithTheRatesOfTheirSources() throws Exception {
        for (String block : blocks("docs/recipes.md")) {
            for (Frame frame : FRAMES) {
                if (block.startsWith(frame.begins()) && RATES.containsKey(frame.begins())) {
                    recipeHasRates(frame, block);
                }
            }
        }
    }

    private void recipeHasRates(Frame frame, String block) throws Exception {
        String name = "Recipe" + Math.floorMod(frame.begins().hashCode(), 1_000_000);
        compile(List.of(source(name, frame, block + "lars.close();\nfound = schedule;\n")));
        Layers.Builder network = Layers.builder()
                .addTensor("conv.weight", 8, 3, 3, 3)
                .addTensor("bn.weight", 8)
                .addTensor("bn.bias", 8)
                .addTensor("prototypes.weight", 10, 8);
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            Class<?> recipe = loader.loadClass(name);
            recipe.getMethod("run", Layers.Builder.class, Gradients.class)
                    .invoke(null, network, Gradients.of(new float[0]));
            Schedule schedule = (Schedule) recipe.getField("found").get(null);
            RATES.get(frame.begins())
                    .forEach((step, rate) -> assertEquals(
                            rate, schedule.rate(step), 1e-12 * rate, () -> frame.begins() + " at step " + step));
        }
    }

    private static List<String> blocks(String document) throws Exception {
        return BLOCK.matcher(Files.readString(ROOT.resolve(document)))
                .results()
                .map(result -> result.group(1))
                .toList();
    }

    private static JavaFileObject source(String name, Frame frame, String block) {
        String text = """
                import io.github.lars4j.*;
                import io.github.lars4j.rule.*;
                import io.github.lars4j.safetensors.*;
                import java.lang.foreign.*;
                import java.nio.file.*;
                import java.util.*;
                import java.util.concurrent.*;
                import java.util.concurrent.atomic.*;
                import java.util.regex.*;

                public class %s {
                %s
                public static void run(%s) throws Exception {
                %s
                }
                }
                """.formatted(name, frame.members(), frame.parameters(), block);
        return new SimpleJavaFileObject(URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }

    private void compile(List<JavaFileObject> sources) throws Exception {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        assumeTrue(compiler != null, "this Java has no compiler");
        Path library = Path.of(
                Lars.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        List<String> options = List.of("-proc:none", "-d", folder.toString(), "--class-path", library.toString());
        StringWriter errors = new StringWriter();
        assertTrue(compiler.getTask(errors, null, null, options, null, sources).call(), errors::toString);
    }
}
