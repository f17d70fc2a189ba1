package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Saves during a shutdown: as the documentation recommends, and in a hook, which is refused. */
@Tag("no-mutants")
class ShutdownTest {

    private static final Path README = Path.of("../README.md");

    @TempDir
    Path folder;

    /** Trains as the documentation recommends, until the process is terminated. */
    static final class Training {

        private Training() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            float[] weights = SampleRun.params();
            try (Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
                train(file, lars, weights, Long.MAX_VALUE);
                System.out.println("at step " + lars.steps());
            }
        }

        private static void train(Path file, Lars lars, float[] weights, long steps) throws IOException {
            // The recipe, as the README and the javadoc have it.
            AtomicBoolean stop = new AtomicBoolean();
            CountDownLatch saved = new CountDownLatch(1);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                stop.set(true);
                try {
                    saved.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
            try {
                while (lars.steps() < steps && !stop.get()) {
                    lars.step(weights, gradients(lars.steps(), weights));
                }
                Checkpoint.save(file, lars, weights);
            } finally {
                saved.countDown();
            }
            // Here it ends.
        }

        private static float[] gradients(long step, float[] weights) {
            if (step == 5) {
                System.out.println("training");
            }
            float[] gradients = new float[weights.length];
            gradients[0] = step;
            return gradients;
        }
    }

    /** Saves in a hook during a step that ends after the hook. */
    static final class Hasty {

        private Hasty() {}

        public static void main(String[] args) {
            Path file = Path.of(args[0]);
            float[] weights = SampleRun.params();
            CountDownLatch hookIsOver = new CountDownLatch(1);
            Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                try {
                    Checkpoint.save(file, lars, weights);
                } catch (IOException | IllegalStateException e) {
                    System.out.println(e.getMessage());
                } finally {
                    hookIsOver.countDown();
                }
            }));
            lars.step(weights, new float[weights.length], () -> {
                new Thread(() -> System.exit(0)).start();
                try {
                    hookIsOver.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                return 0;
            });
        }
    }

    private Process start(Class<?> main) throws Exception {
        return new ProcessBuilder(ChildJvm.command(
                        List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                        main,
                        folder.resolve("run.safetensors").toString()))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    @Test
    void theRecipeSavesWhereItStopped() throws Exception {
        Process process = start(Training.class);
        try (BufferedReader output = process.inputReader()) {
            assertEquals("training", output.readLine());
            assumeTrue(process.supportsNormalTermination(), "this system can only kill a process");
            // Sends SIGTERM, as job schedulers do. Destroying the handle, not the process, keeps the output readable.
            process.toHandle().destroy();
            String last = output.readLine();
            process.waitFor();
            long step = Checkpoint.load(folder.resolve("run.safetensors")).step();
            assertTrue(step > 5, "step " + step);
            // The process may end before it prints this.
            assertTrue(last == null || last.equals("at step " + step), last);
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void aHookThatSavesByItselfIsToldHowToDoIt() throws Exception {
        Process process = start(Hasty.class);
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        assertEquals(
                "save was called while another call was in progress; a shutdown hook or another thread must ask the"
                        + " thread that calls step to save after its step, and wait until it has saved",
                output.strip());
        assertTrue(Files.notExists(folder.resolve("run.safetensors")));
    }

    @Test
    void theRecipeOfTheDocumentsIsTheOneThatIsRun() throws IOException {
        Matcher run = Pattern.compile("as the README and the javadoc have it\\.\n(.*?)// Here it ends", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("src/test/java/io/github/lars4j/ShutdownTest.java")));
        assertTrue(run.find());
        String recipe = withoutSpace(run.group(1));
        assertTrue(recipe.contains("addShutdownHook"), recipe);
        assertTrue(withoutSpace(Files.readString(README)).contains(recipe), "README.md");
        String javadoc = Files.readString(Path.of("src/main/java/io/github/lars4j/Checkpoint.java"))
                .replaceAll("(?m)^ \\*", "");
        assertTrue(withoutSpace(javadoc).contains(recipe.replace("weights", "params")), "Checkpoint.java");
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }
}
