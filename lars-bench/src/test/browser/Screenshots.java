import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Renders a report in headless Chromium, on a laptop and on a phone, light and dark, and writes the four screenshots.
 * Fails if the page is wider than the screen, if text of a picture is cut off or lies upon other text, or if light and
 * dark look the same. Needs a Java from 17 and a Chromium or Chrome on the path:
 *
 * <pre>java lars-bench/src/test/browser/Screenshots.java REPORT.html FOLDER</pre>
 */
public final class Screenshots {

    private static final List<String> BROWSERS = List.of("chromium", "chromium-browser", "google-chrome");

    private static final int SECONDS = 30;

    private enum Screen {
        LAPTOP(1280, 800),
        PHONE(390, 844);

        final int width;
        final int height;

        Screen(int width, int height) {
            this.width = width;
            this.height = height;
        }
    }

    /** What is wrong with the texts of the pictures that are shown, a line for each. */
    private static final String TEXTS = """
            [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0).flatMap(svg => {
              const picture = svg.getBoundingClientRect();
              const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
              const cut = texts.filter(([, r]) => r.left < picture.left || r.right > picture.right
                  || r.top < picture.top || r.bottom > picture.bottom).map(([t]) => 'cut off: ' + t);
              const upon = texts.flatMap(([a, r], i) => texts.slice(i + 1).filter(([, s]) =>
                  r.left < s.right && s.left < r.right && r.top + 3 < s.bottom && s.top + 3 < r.bottom)
                  .map(([b]) => 'one upon the other: ' + a + ' | ' + b));
              return cut.concat(upon);
            }).join('; ')""";

    /** Takes what the page answers, in whole messages. */
    private static final class Answers implements WebSocket.Listener {

        final BlockingQueue<String> messages = new LinkedBlockingQueue<>();
        private final StringBuilder message = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            message.append(data);
            if (last) {
                messages.add(message.toString());
                message.setLength(0);
            }
            socket.request(1);
            return null;
        }
    }

    private final HttpClient http = HttpClient.newHttpClient();
    private final Answers answers = new Answers();
    private final WebSocket page;
    private int sent;

    private Screenshots(String browser) throws IOException, InterruptedException {
        URI pages = URI.create(browser.replaceFirst("^ws:", "http:").replaceFirst("/devtools/.*", "/json/list"));
        String list = http.send(HttpRequest.newBuilder(pages).build(), BodyHandlers.ofString())
                .body();
        page = http.newWebSocketBuilder()
                .buildAsync(URI.create(value(list, "webSocketDebuggerUrl")), answers)
                .join();
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2 || !Files.isRegularFile(Path.of(args[0]))) {
            System.err.println("usage: java Screenshots.java REPORT.html FOLDER");
            System.exit(2);
        }
        Path folder = Files.createDirectories(Path.of(args[1]));
        Path profile = Files.createTempDirectory("screenshots");
        Process browser = browser(profile);
        List<String> wrong;
        try {
            wrong = new Screenshots(address(browser)).take(Path.of(args[0]).toUri(), folder);
        } finally {
            browser.destroy();
            browser.waitFor(SECONDS, TimeUnit.SECONDS);
            delete(profile);
        }
        wrong.forEach(System.err::println);
        System.exit(wrong.isEmpty() ? 0 : 1);
    }

    private static Process browser(Path profile) throws IOException {
        String name = BROWSERS.stream()
                .filter(b -> Stream.of(System.getenv("PATH").split(":"))
                        .anyMatch(folder -> Files.isExecutable(Path.of(folder, b))))
                .findFirst()
                .orElseThrow(() -> new IOException("none of " + BROWSERS + " is on the path"));
        return new ProcessBuilder(
                        name,
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                        "--no-first-run",
                        "--hide-scrollbars",
                        "--remote-debugging-port=0",
                        "--user-data-dir=" + profile,
                        "about:blank")
                .redirectErrorStream(true)
                .start();
    }

    /** Where the browser takes commands, as it says itself. */
    private static String address(Process browser) throws IOException {
        BufferedReader said = browser.inputReader();
        for (String line = said.readLine(); line != null; line = said.readLine()) {
            Matcher address = Pattern.compile("DevTools listening on (ws:\\S+)").matcher(line);
            if (address.find()) {
                return address.group(1);
            }
        }
        throw new IOException("the browser ended and took no commands");
    }

    /** Takes the screenshots; returns what is wrong. */
    private List<String> take(URI report, Path folder) throws IOException, InterruptedException {
        List<String> wrong = new ArrayList<>();
        for (Screen screen : Screen.values()) {
            List<byte[]> schemes = new ArrayList<>();
            for (String scheme : List.of("light", "dark")) {
                String name = screen.name().toLowerCase() + "-" + scheme;
                send("Emulation.setDeviceMetricsOverride", """
                        {"width": %d, "height": %d, "deviceScaleFactor": 1, "mobile": %b}\
                        """.formatted(screen.width, screen.height, screen == Screen.PHONE));
                send("Emulation.setEmulatedMedia", """
                        {"features": [{"name": "prefers-color-scheme", "value": "%s"}]}""".formatted(scheme));
                send("Page.navigate", "{\"url\": \"" + report + "\"}");
                while (!evaluate("document.readyState + ' ' + location.protocol").equals("complete file:")) {
                    Thread.sleep(20);
                }
                int width = Integer.parseInt(evaluate("'' + document.documentElement.scrollWidth"));
                if (width > screen.width) {
                    wrong.add(name + ": the page is " + width + " wide, the screen " + screen.width);
                }
                String texts = evaluate(TEXTS);
                if (!texts.isEmpty()) {
                    wrong.add(name + ": text is " + texts);
                }
                String height = evaluate("'' + document.documentElement.scrollHeight");
                byte[] png = Base64.getDecoder().decode(value(send("Page.captureScreenshot", """
                        {"captureBeyondViewport": true,
                         "clip": {"x": 0, "y": 0, "width": %d, "height": %s, "scale": 1}}"""
                        .formatted(screen.width, height)), "data"));
                System.out.println(Files.write(folder.resolve(name + ".png"), png));
                schemes.add(png);
            }
            if (Arrays.equals(schemes.get(0), schemes.get(1))) {
                wrong.add(screen + ": light and dark are the same");
            }
        }
        return wrong;
    }

    /** The string that an expression gives on the page. */
    private String evaluate(String expression) throws IOException, InterruptedException {
        String quoted = expression.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        return value(send("Runtime.evaluate", "{\"expression\": \"" + quoted + "\"}"), "value");
    }

    /** Sends a command and waits for its answer. */
    private String send(String method, String params) throws IOException, InterruptedException {
        int id = ++sent;
        page.sendText("{\"id\": " + id + ", \"method\": \"" + method + "\", \"params\": " + params + "}", true)
                .join();
        while (true) {
            String message = answers.messages.poll(SECONDS, TimeUnit.SECONDS);
            if (message == null) {
                throw new IOException("no answer to " + method);
            }
            if (message.startsWith("{\"id\":" + id + ",")) {
                if (message.contains("\"error\":") || message.contains("\"exceptionDetails\":")) {
                    throw new IOException(method + ": " + message);
                }
                return message;
            }
        }
    }

    /** The string that JSON has under a name. */
    private static String value(String json, String name) throws IOException {
        Matcher value = Pattern.compile("\"" + name + "\":\\s*\"([^\"]*)\"").matcher(json);
        if (!value.find()) {
            throw new IOException("no " + name + " in " + json);
        }
        return value.group(1);
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
        }
    }
}
