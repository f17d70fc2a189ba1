package io.github.lars4j.bench.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/**
 * What one command did with its arguments.
 *
 * @param code the exit code
 * @param out what it printed
 * @param err what it printed as errors and progress
 */
public record CommandLineRun(int code, String out, String err) {

    /** Runs a command. */
    public static CommandLineRun of(Command command, Object... args) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String[] line = Stream.concat(Stream.of(command.name()), Stream.of(args).map(Object::toString))
                .toArray(String[]::new);
        int code = new Commands(new Nothing(), new NoFallback(), List.of(command))
                .run(
                        line,
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8));
        return new CommandLineRun(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Asserts that the command ended with exit code 2 and one line that has the reason, and printed nothing else. */
    public void assertRefused(String reason) {
        assertEquals(2, code, err);
        assertTrue(err.startsWith("lars-bench: ") && err.contains(reason), err);
        assertEquals("", out);
    }

    private record Nothing() implements Command {
        @Override
        public String name() {
            return "";
        }

        @Override
        public String summary() {
            return "";
        }

        @Override
        public int run(PrintStream out, PrintStream err) {
            throw new AssertionError("a command is named");
        }
    }

    private record NoFallback() implements Commands.Fallback {
        @Override
        public List<String> help() {
            return List.of();
        }

        @Override
        public int run(String[] args, String hint, PrintStream out, PrintStream err) {
            throw new AssertionError("a command is named");
        }
    }
}
