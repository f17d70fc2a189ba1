package io.github.lars4j.bench.command;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The program's command line: selects a command, sets its options, and prints help and errors. Every command has the
 * option {@code --help}.
 */
public final class Commands {

    private static final String PROGRAM = "lars-bench";
    private static final String HELP = "--help";
    private static final int WIDTH = 100;

    /** Runs the command lines that have no command and no option of this program. */
    public interface Fallback {

        /** Lines that end the program's help. */
        List<String> help();

        /**
         * Runs a command line.
         *
         * @param args the whole command line, which is not empty
         * @param hint the end of a message about an unknown name: the nearest known one, or empty
         * @return the exit code
         * @throws CommandException to end the program with a message and an exit code
         * @throws Exception if something unexpected fails
         */
        int run(String[] args, String hint, PrintStream out, PrintStream err) throws Exception;
    }

    private final CommandLine line;
    private final Fallback fallback;

    /**
     * Makes a command line.
     *
     * @param unnamed runs without a command
     * @param fallback runs what names no command and no option
     * @param named the commands, in the order of the help
     */
    public Commands(Command unnamed, Fallback fallback, List<Command> named) {
        this.fallback = fallback;
        CommandSpec root = spec(unnamed);
        root.name("java -jar " + PROGRAM + ".jar");
        root.usageMessage()
                .customSynopsis(root.name() + synopsis(root) + " | COMMAND | JMH OPTIONS")
                .commandListHeading("commands%n")
                .footer(fallback.help().toArray(String[]::new));
        named.forEach(command -> root.addSubcommand(command.name(), spec(command)));
        line = new CommandLine(root)
                .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
                .setExpandAtFiles(false)
                .setUsageHelpWidth(WIDTH);
    }

    private static CommandSpec spec(Command command) {
        CommandSpec spec = CommandSpec.forAnnotatedObjectLenient(command);
        spec.addOption(OptionSpec.builder(HELP)
                .usageHelp(true)
                .description("show this help")
                .build());
        spec.parser().collectErrors(true);
        spec.usageMessage()
                .synopsisHeading("usage: ")
                .description(command.summary().replace("%", "%%"))
                .sortOptions(false);
        return spec;
    }

    private static String synopsis(CommandSpec root) {
        StringBuilder synopsis = new StringBuilder();
        for (OptionSpec option : root.options()) {
            if (!option.usageHelp()) {
                synopsis.append(" [" + option.longestName() + " " + option.paramLabel() + "]");
            }
        }
        return synopsis.toString();
    }

    /**
     * Runs a command line. A {@link CommandException} and a wrong command line are reported in one line.
     *
     * @return the exit code
     * @throws Exception whatever else a command throws
     */
    public int run(String[] args, PrintStream out, PrintStream err) throws Exception {
        try {
            return isOwn(args) ? runOwn(args, out, err) : fallback.run(args, hint(args), out, err);
        } catch (CommandException e) {
            err.println(PROGRAM + ": " + e.getMessage());
            return e.exitCode();
        }
    }

    private boolean isOwn(String[] args) {
        return args.length == 0
                || line.getSubcommands().containsKey(args[0])
                || Stream.of(args).anyMatch(arg -> ownOptions().contains(optionName(arg)));
    }

    private Collection<String> ownOptions() {
        return line.getCommandSpec().optionsMap().keySet();
    }

    private static String optionName(String arg) {
        return arg.replaceFirst("=.*", "");
    }

    private int runOwn(String[] args, PrintStream out, PrintStream err) throws Exception {
        ParseResult root = line.parseArgs(args);
        ParseResult last = root.hasSubcommand() ? root.subcommand() : root;
        if (root.isUsageHelpRequested() || last.isUsageHelpRequested()) {
            CommandSpec asked = (root.isUsageHelpRequested() ? root : last).commandSpec();
            out.print(asked.commandLine().getUsageMessage());
            return ExitCode.OK;
        }
        // An unknown option explains more than the argument that is missing because of it.
        Optional<ParameterException> error = Stream.of(root, last)
                .flatMap(parsed -> parsed.errors().stream())
                .map(ParameterException.class::cast)
                .min(Comparator.comparing(e -> !(e instanceof UnmatchedArgumentException)));
        if (error.isPresent()) {
            throw CommandException.usage(reason(error.get()), error.get());
        }
        if (root.hasSubcommand() && !root.matchedOptions().isEmpty()) {
            throw CommandException.usage(stray(last.commandSpec().name()), null);
        }
        return ((Command) last.commandSpec().userObject()).run(out, err);
    }

    private String reason(ParameterException e) {
        CommandSpec command = e.getCommandLine().getCommandSpec();
        boolean named = command.parent() != null;
        String more = "; " + (named ? command.name() + " " : "") + "--help tells more";
        if (!(e instanceof UnmatchedArgumentException unmatched)) {
            return e.getMessage() + more;
        }
        String arg = unmatched.getUnmatched().getFirst();
        if (arg.startsWith("--") || named && arg.startsWith("-")) {
            return "unknown option " + arg + ", the nearest is "
                    + nearest(List.of(optionName(arg)), command.optionsMap().keySet()) + more;
        }
        return named ? "unexpected argument " + arg + more : stray(arg);
    }

    private String stray(String arg) {
        List<String> options = new ArrayList<>(ownOptions());
        options.remove(HELP);
        return arg + " does not go together with " + String.join(" and ", options) + "; --help lists what does";
    }

    private String hint(String[] args) {
        List<String> unknown = new ArrayList<>();
        // JMH's own options have a single dash, and their values follow.
        Stream.of(args)
                .filter(arg -> arg.startsWith("--"))
                .map(Commands::optionName)
                .forEach(unknown::add);
        if (!args[0].startsWith("-")) {
            unknown.add(args[0]);
        }
        if (unknown.isEmpty()) {
            return "";
        }
        List<String> known = new ArrayList<>(line.getSubcommands().keySet());
        known.addAll(ownOptions());
        return "; the nearest name that " + PROGRAM + " knows is " + nearest(unknown, known);
    }

    /** The known name that is the fewest edits of a character away from one of the unknown names. */
    private static String nearest(List<String> unknown, Collection<String> known) {
        return known.stream()
                .min(Comparator.comparingInt(name -> unknown.stream()
                        .mapToInt(other -> distance(other, name))
                        .min()
                        .orElseThrow()))
                .orElseThrow();
    }

    private static int distance(String a, String b) {
        int[] row = IntStream.rangeClosed(0, b.length()).toArray();
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
