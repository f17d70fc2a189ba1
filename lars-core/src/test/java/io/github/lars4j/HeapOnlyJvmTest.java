package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * An optimizer that works on the heap needs no native access: without the option the JVM prints no warning, and where
 * access is denied nothing is logged.
 */
@Tag("no-mutants")
class HeapOnlyJvmTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    @TempDir
    private Path folder;

    @Test
    void nativeAccessIsNotAskedFor() throws Exception {
        for (String access : List.of("warn", "deny")) {
            Path files = Files.createDirectory(folder.resolve(access));
            Path out = folder.resolve("out");
            ProcessBuilder builder = new ProcessBuilder(ChildJvm.command(
                            List.of("--illegal-native-access=" + access, "-Dlars4j.kernels=scalar"),
                            HeapOnlyJvmTest.class,
                            files.toString()))
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile());
            builder.environment().remove("JDK_JAVA_OPTIONS");
            builder.environment().remove("JAVA_TOOL_OPTIONS");
            int status = builder.start().waitFor();
            String printed = Files.readString(out);
            assertEquals(0, status, printed);
            assertTrue(printed.endsWith("done" + System.lineSeparator()), printed);
            assertFalse(printed.contains("WARNING"), printed);
            assertFalse(printed.contains("outside the heap"), printed);
        }
    }

    /** Uses arrays in every way. */
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        Path file = folder.resolve("saved");
        Tensors byLayer = Tensors.byLayer(new float[] {1, 2, 3, 4, 5}, new float[] {6, 7, 8});
        Tensors flat = Tensors.flat(new float[] {1, 2, 3, 4, 5, 6, 7, 8});
        for (Tensors momentum : List.of(Tensors.flat(new float[8]), Tensors.byLayer(new float[5], new float[3]))) {
            try (Lars lars = Lars.builder(LAYERS)
                    .rule(Dialects.SNIPPET)
                    .learningRate(0.5)
                    .momentum(0.9)
                    .momentumBuffer(momentum)
                    .onBadGradient(OnBadGradient.SKIP_LAYER)
                    .build()) {
                lars.step(flat, byLayer);
                lars.step(byLayer, flat);
                lars.update(byLayer, flat, lars.measure(byLayer, flat));
                lars.beginStep(byLayer);
                lars.applyLayer(1, new float[3]);
                lars.endStep();
                lars.restore(lars.snapshot().convertedTo(Dialects.PAPER));
                Checkpoint.save(file, lars, byLayer);
                Checkpoint.load(file).restore(lars, flat);
                PyTorchState.restore(doubles(folder), lars, byLayer);
                lars.addLayers(LAYERS);
            }
        }
        System.out.println("done");
    }

    private static Path doubles(Path folder) throws IOException {
        Path file = folder.resolve("doubles");
        double[] values = {1, 2, 3, 4, 5};
        SafeTensorsWriter writer = new SafeTensorsWriter();
        for (String suffix : List.of("", ".momentum_buffer")) {
            writer.doubles("a" + suffix, List.of(5L), values, 0).doubles("b" + suffix, List.of(3L), values, 0);
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            writer.writeTo(channel);
        }
        return file;
    }
}
