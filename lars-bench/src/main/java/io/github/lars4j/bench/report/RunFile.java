package io.github.lars4j.bench.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.github.lars4j.Layers;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.files.OutputFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;

/**
 * One run of the benchmark as in {@code results.json}: the machine, the command line and the results. It contains no
 * absolute path, so that it can be published. Not safe for use by several threads.
 */
public final class RunFile {

    /** The name of JMH's own results in the file. */
    static final String RUNS = "runs";

    /** A layout of one layer: a point of the sweep over sizes. */
    static final Pattern ONE_LAYER = Pattern.compile("([1-9][0-9]*)x1");

    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    /** The folders of a path, at the start of a text or after a delimiter. */
    private static final Pattern FOLDERS =
            Pattern.compile("(^|[:=,;@ ])(?:[A-Za-z]:(?=[/\\\\]))?[^:=,;@ ]*[/\\\\](?=[^/\\\\])");

    /**
     * A layout that was to be measured.
     *
     * @param name the name in the results
     * @param parameters number of parameters, or 0 if unknown
     * @param tensors number of tensors, or 0 if unknown
     */
    public record Layout(String name, long parameters, int tensors) {

        /** A layout by its name; the name of a file loses its folder. */
        public static Layout of(String name, Layers layers) {
            return new Layout(withoutFolders(name), layers.end(), layers.size());
        }
    }

    /**
     * The first steps of one fresh JVM.
     *
     * @param layout the layout
     * @param kernels the kernels that were requested
     * @param steps numbers of steps, in ascending order
     * @param millis total time in ms of each of these numbers of steps
     */
    public record FirstSteps(String layout, String kernels, List<Integer> steps, List<Double> millis) {}

    private final String command;
    private final int cores;
    private final Map<String, String> environment;
    private final List<Layout> layouts;
    private final List<FirstSteps> coldStarts = new ArrayList<>();
    private final JsonArray runs;

    /**
     * Begins a run.
     *
     * @param command the command line
     * @param cores threads of the arm that uses all cores
     * @param environment the description of the machine, by names
     * @param layouts the layouts to measure, without those of the sweep over sizes
     */
    public RunFile(String command, int cores, Map<String, String> environment, List<Layout> layouts) {
        this(withoutFolders(command), cores, withoutFolders(environment), layouts, new JsonArray());
    }

    private RunFile(String command, int cores, Map<String, String> environment, List<Layout> layouts, JsonArray runs) {
        this.command = command;
        this.cores = cores;
        this.environment = Collections.unmodifiableMap(environment);
        this.layouts = List.copyOf(layouts);
        this.runs = runs;
    }

    /**
     * Parses the output of {@link #json}, or that of JMH's {@code -rf json}, which has no environment.
     *
     * @throws IllegalArgumentException if the text is neither
     */
    public static RunFile parse(String json) {
        StepTimes.parse(json);
        JsonElement whole = JsonParser.parseString(json);
        return whole.isJsonArray() ? ofJmh(whole.getAsJsonArray()) : ofFile(whole.getAsJsonObject());
    }

    private static RunFile ofJmh(JsonArray runs) {
        JsonArray own = new JsonArray();
        runs.forEach(run -> own.add(withoutFolders(run.deepCopy())));
        StepTimes results = StepTimes.of(own);
        int cores = 1;
        for (StepTimes.StepTime result : results.all()) {
            String threads = result.params().getOrDefault("threads", "1");
            cores = threads.matches("[1-9][0-9]{0,5}") ? Math.max(cores, Integer.parseInt(threads)) : cores;
        }
        List<Layout> layouts = new ArrayList<>();
        for (String name : results.layouts()) {
            if (!ONE_LAYER.matcher(name).matches()) {
                layouts.add(layout(name));
            }
        }
        return new RunFile("", cores, Map.of(), layouts, own);
    }

    private static Layout layout(String name) {
        try {
            return Layout.of(name, Layouts.named(name));
        } catch (IllegalArgumentException unknown) {
            return new Layout(name, 0, 0);
        }
    }

    private static RunFile ofFile(JsonObject file) {
        try {
            Map<String, String> environment = new LinkedHashMap<>();
            file.getAsJsonObject("environment")
                    .entrySet()
                    .forEach(e -> environment.put(e.getKey(), e.getValue().getAsString()));
            RunFile run = new RunFile(
                    file.get("command").getAsString(),
                    file.get("cores").getAsInt(),
                    environment,
                    List.of(GSON.fromJson(file.get("layouts"), Layout[].class)),
                    file.getAsJsonArray(RUNS));
            run.coldStarts.addAll(List.of(GSON.fromJson(file.get("coldStarts"), FirstSteps[].class)));
            return run;
        } catch (JsonParseException e) {
            // Gson's message has advice for programmers.
            throw new IllegalArgumentException("is no results.json of this benchmark: it is not JSON", e);
        } catch (ClassCastException
                | IllegalStateException
                | NullPointerException
                | NumberFormatException
                | UnsupportedOperationException e) {
            throw new IllegalArgumentException("is no results.json of this benchmark: " + e.getMessage(), e);
        }
    }

    /** Adds a result of JMH. It takes the place of an earlier one of the same benchmark with the same parameters. */
    public void add(RunResult result) {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        try (PrintStream out = new PrintStream(json, false, StandardCharsets.UTF_8)) {
            ResultFormatFactory.getInstance(ResultFormatType.JSON, out).writeOut(List.of(result));
        }
        JsonElement whole = JsonParser.parseString(json.toString(StandardCharsets.UTF_8));
        JsonObject added = withoutFolders(whole.getAsJsonArray().get(0)).getAsJsonObject();
        // JMH writes how many it was to start; the result may be of several starts.
        added.addProperty("forks", result.getBenchmarkResults().size());
        for (int i = 0; i < runs.size(); i++) {
            if (isSame(runs.get(i), added, "benchmark") && isSame(runs.get(i), added, "params")) {
                runs.set(i, added);
                return;
            }
        }
        runs.add(added);
    }

    /** Returns whether an entry has the same value in both. */
    private static boolean isSame(JsonElement run, JsonObject other, String name) {
        return run.getAsJsonObject().get(name).equals(other.get(name));
    }

    /** Adds the first steps of a fresh JVM. */
    public void add(FirstSteps coldStart) {
        coldStarts.add(coldStart);
    }

    /** The command line; empty if unknown. */
    public String command() {
        return command;
    }

    /** Number of threads of the arm that uses all cores. */
    public int cores() {
        return cores;
    }

    /** The description of the machine, by names; empty if unknown. */
    public Map<String, String> environment() {
        return environment;
    }

    /** The layouts to measure, without those of the sweep over sizes. */
    public List<Layout> layouts() {
        return layouts;
    }

    /** The first steps of fresh JVMs. */
    public List<FirstSteps> coldStarts() {
        return Collections.unmodifiableList(coldStarts);
    }

    /** The results of JMH so far. */
    public StepTimes results() {
        return StepTimes.of(runs);
    }

    /** The file's text: JSON, a line for each run. */
    public String json() {
        List<String> lines = new ArrayList<>();
        runs.forEach(run -> lines.add(GSON.toJson(run)));
        return String.format(
                Locale.ROOT,
                """
                {
                "command": %s,
                "cores": %d,
                "environment": %s,
                "layouts": %s,
                "coldStarts": %s,
                "%s": [
                %s
                ]
                }
                """,
                GSON.toJson(command),
                cores,
                GSON.toJson(environment),
                GSON.toJson(layouts),
                GSON.toJson(coldStarts).replace("},{", "},\n{"),
                RUNS,
                String.join(",\n", lines));
    }

    /** Replaces the file, so that it is whole at every moment, also after a crash of the machine. */
    public void write(Path file) throws IOException {
        OutputFile.write(file, json());
    }

    /** A layout's name, or a flag, without the folders of its paths. */
    public static String withoutFolders(String text) {
        String name = FOLDERS.matcher(text).replaceAll("$1");
        return name.startsWith("@") ? name.substring(1) : name;
    }

    private static Map<String, String> withoutFolders(Map<String, String> environment) {
        Map<String, String> without = new LinkedHashMap<>();
        environment.forEach((name, value) -> without.put(name, name.equals("flags") ? withoutFolders(value) : value));
        return without;
    }

    /** A run of JMH without the folders of its JVM, of that JVM's libraries, and of the layout's file. */
    private static JsonElement withoutFolders(JsonElement run) {
        JsonObject object = run.getAsJsonObject();
        if (object.has("jvm")) {
            object.addProperty("jvm", withoutFolders(object.get("jvm").getAsString()));
        }
        if (object.has("jvmArgs")) {
            JsonArray arguments = new JsonArray();
            object.getAsJsonArray("jvmArgs").forEach(a -> arguments.add(withoutFolders(a.getAsString())));
            object.add("jvmArgs", arguments);
        }
        if (object.has("params") && object.getAsJsonObject("params").has("layout")) {
            JsonObject params = object.getAsJsonObject("params");
            params.add(
                    "layout",
                    new JsonPrimitive(withoutFolders(params.get("layout").getAsString())));
        }
        return object;
    }
}
