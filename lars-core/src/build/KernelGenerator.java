import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes the kernels that differ from {@code ScalarKernels} and {@code VectorKernels} only in how a block is loaded and
 * stored: by place (arrays with an index each, or memory outside the heap), by the format of the gradient, and by the
 * format of the momentum. The build runs it: {@code java KernelGenerator.java <sources> <destination>}.
 *
 * <p>There are none for float16 gradients: {@code WideningKernels} widen a block of them first.
 *
 * <p>Each array of the source becomes a base and a position, and {@code from}, the index at which a block begins, becomes
 * 0. Weights are always float32. Loads and stores in the source have one of these shapes:
 *
 * <pre>{@code
 * FloatVector.fromArray(FLOATS, momentum, i)                                 momentum[i]
 * FloatVector.fromArray(HALF, gradients, i).convertShape(F2D, DOUBLES, 0)    momentum[i] = moved;
 * v0.intoArray(momentum, i);
 * }</pre>
 */
public final class KernelGenerator {

    private static final String PACKAGE = "io/github/lars4j/internal/kernel";
    private static final String INDEX = "([^()]+)";

    private enum Place {
        OFFSETS("Offset"),
        OUTSIDE("Native");

        final String prefix;

        Place(String prefix) {
            this.prefix = prefix;
        }
    }

    private enum Format {
        FLOAT32,
        BFLOAT16,
        /** bfloat16 with stochastic rounding; only of the momentum. */
        STOCHASTIC
    }

    /** Adds 0x7fff and, if the lowest bit that stays is 1, another 1. */
    private static final String NEAREST = "IntVector bits_VALUE = VALUE.reinterpretAsInts();"
            + " bits_VALUE = bits_VALUE.sub(bits_VALUE.lanewise(LSHR, 16).and(one).lanewise(XOR, below)); ";

    /** Adds a random number of 16 bits, the hash of {@code RandomBits}. */
    private static final String STOCHASTIC = "IntVector random_VALUE = random.add((INDEX) * RandomBits.INCREMENT);"
            + " random_VALUE = random_VALUE.lanewise(XOR, random_VALUE.lanewise(LSHR, RandomBits.SHIFT)).lanewise(XOR, key)"
            + ".mul(factor);"
            + " IntVector bits_VALUE = VALUE.reinterpretAsInts().add(random_VALUE.lanewise(LSHR, 16)); ";

    /** The type, name and value of the constants of loops, of which {@link #broadcastOnce} makes vectors. */
    private static final String[][] CONSTANTS = {
        {"Float", "as", "a"},
        {"Float", "bs", "b"},
        {"Float", "ms", "m"},
        {"Float", "ps", "p"},
        {"Float", "vs", "v"},
        {"Int", "one", "1"},
        {"Int", "below", "-0x7fff"},
        {"Int", "key", "(int) (rounding.key() >>> 32)"},
        {"Int", "factor", "RandomBits.FACTOR"},
        {"Short", "magnitude", "(short) 0x7fff"},
        {"Short", "infinity", "(short) 0x7f80"}
    };

    private static final Format[] OF_GRADIENTS = {Format.FLOAT32, Format.BFLOAT16};
    private static final Format[] OF_MOMENTUM = {Format.FLOAT32, Format.BFLOAT16, Format.STOCHASTIC};

    private final String kernels; // "Scalar" or "Vector"
    private final Place place;
    private final Format gradients;
    private final Format momentum;
    private String text;

    private KernelGenerator(String kernels, Place place, Format gradients, Format momentum, String source) {
        this.kernels = kernels;
        this.place = place;
        this.gradients = gradients;
        this.momentum = momentum;
        this.text = source;
    }

    public static void main(String[] args) throws IOException {
        Path from = Path.of(args[0], PACKAGE);
        Path to = Files.createDirectories(Path.of(args[1], PACKAGE));
        StringBuilder table = new StringBuilder();
        for (Place place : Place.values()) {
            for (Format gradients : OF_GRADIENTS) {
                for (Format momentum : OF_MOMENTUM) {
                    for (String kernels : new String[] {"Scalar", "Vector"}) {
                        String source = Files.readString(from.resolve(kernels + "Kernels.java"));
                        Files.writeString(
                                to.resolve(name(place, kernels, gradients, momentum) + ".java"),
                                new KernelGenerator(kernels, place, gradients, momentum, source).generate());
                    }
                    table.append(String.format(
                            Locale.ROOT,
                            "            case \"%s %s %s\" -> vector ? %s.INSTANCE : %s.INSTANCE;%n",
                            place,
                            gradients,
                            momentum,
                            name(place, "Vector", gradients, momentum),
                            name(place, "Scalar", gradients, momentum)));
                }
            }
        }
        Files.writeString(
                to.resolve("GeneratedKernels.java"),
                """
                // Generated by the build.
                package io.github.lars4j.internal.kernel;

                /** The kernels that the build generates. */
                final class GeneratedKernels {

                    private GeneratedKernels() {}

                    /** Returns the kernels of a kind: the names of its place and of the formats of gradient and momentum. */
                    static PlacedKernels of(boolean vector, String kind) {
                        return switch (kind) {
                %s            default -> throw new AssertionError(kind);
                        };
                    }
                }
                """
                        .formatted(table));
    }

    private static String name(Place place, String kernels, Format gradients, Format momentum) {
        boolean narrow = gradients != Format.FLOAT32 || momentum != Format.FLOAT32;
        return place.prefix + kernels + "Kernels"
                + (narrow ? capitalized(gradients.name()) + capitalized(momentum.name()) : "");
    }

    private static String capitalized(String name) {
        return name.charAt(0) + name.substring(1).toLowerCase(Locale.ROOT);
    }

    private String generate() {
        if (gradients != Format.FLOAT32) {
            addGradientSquares();
            if (kernels.equals("Vector")) {
                editGradientSquares();
            }
            widenGradientsOfSums();
        }
        if (gradients != Format.FLOAT32 || momentum != Format.FLOAT32) {
            shortenUpdates();
        }
        loads("gradients", gradients);
        loads("momentum", momentum);
        stores();
        loads("weights", Format.FLOAT32);
        loads("values", Format.FLOAT32);
        if (kernels.equals("Vector") && (gradients != Format.FLOAT32 || momentum != Format.FLOAT32)) {
            broadcastOnce();
        }
        signatures();
        rename();
        return text;
    }

    /** Adds a copy of {@code squares}, and of what it calls, for gradients. */
    private void addGradientSquares() {
        for (String method : new String[] {"@Override\\s+public double squares\\(float\\[] values", "static void addTail\\(float\\[] values"}) {
            Matcher found = Pattern.compile("\\n    " + method + "[\\s\\S]*?\\n    }\\n").matcher(text);
            if (found.find()) {
                String copy = found.group()
                        .replaceAll("\\bvalues\\b", "gradients")
                        .replace("double squares(", "double gradientSquares(")
                        .replace("addTail(", "addGradientTail(");
                text = text.substring(0, found.end()) + copy + text.substring(found.end());
            }
        }
    }

    /**
     * Of bfloat16, widens pairs, which are ints: the even element is the lower half of an int, the odd one is the upper half
     * (measured: 0.7 of the time of widening each short). The sums of even and odd stripes are put in order at the end.
     */
    private void editGradientSquares() {
        Matcher found = Pattern.compile("\\n    @Override\\s+public double gradientSquares[\\s\\S]*?\\n    }\\n").matcher(text);
        if (!found.find()) {
            return;
        }
        String before = text.substring(0, found.start());
        String after = text.substring(found.end());
        text = found.group();
        widen(
                "IntVector",
                "PAIRS(INDEX).reinterpretAsInts()",
                ".lanewise(LSHL, 16).reinterpretAsFloats().convertShape(F2D, DOUBLES, 0)",
                ".and(0xffff0000).reinterpretAsFloats().convertShape(F2D, DOUBLES, 0)");
        replace("PAIRS\\(([^()]+)\\)", shorts("gradients", "$1"));
        replace(
                "(sum\\d\\.intoArray\\(scratch, (stripe[^()]*)\\);)(\\s+sum\\d\\.intoArray\\([^()]*\\);)",
                "$1$3 Stripes.interleave(scratch, $2, LANES);");
        text = before + text + after;
    }

    /**
     * Lets a turn of {@code update} pass two vectors instead of four, and leaves what does not fill a turn to the scalar
     * kernels. With the conversions, more is more than C2 compiles well: it creates objects of some vectors (measured: up to
     * 64 KiB a block, in some JVMs).
     */
    private void shortenUpdates() {
        replace("\\n\\s+(FloatVector )?(w|in|v)[23]\\b[^;]*;", "");
        replace("\\b4 \\* lanes", "2 * lanes");
        replace("\\n +int last = [^;]+;\\n +for \\(; whole < last;[\\s\\S]+?\\n        }", "");
        replace("\\blast\\b", "whole");
        replace("\\n +if \\(whole < from \\+ \\(length & -STRIPES\\)\\) \\{[\\s\\S]+?\\n        }", "");
    }

    /**
     * The sums of float32 load half a vector and widen it to doubles. Of a bfloat16 gradient they load as many elements as a
     * vector has floats, and widen its halves: C2 makes objects of vectors if there are int vectors of several widths.
     */
    private void widenGradientsOfSums() {
        widen(
                "FloatVector",
                "FloatVector.fromArray(FLOATS, gradients, INDEX)",
                ".convertShape(F2D, DOUBLES, 0)",
                ".convertShape(F2D, DOUBLES, 1)");
    }

    /**
     * Replaces two loads of half a vector, into variables such as {@code x0} and {@code x1}, by one load.
     *
     * @param load the load from an index
     * @param first what makes doubles of the vector, as the first load did
     * @param second the same for the second load
     */
    private void widen(String type, String load, String first, String second) {
        text = Pattern.compile("DoubleVector (\\w)(\\d) =\\s+\\(DoubleVector\\)\\s+FloatVector\\s*\\.fromArray\\(HALF, gradients, "
                        + INDEX + "\\)\\s*\\.convertShape\\(F2D, DOUBLES, 0\\);")
                .matcher(text)
                .replaceAll(found -> {
                    int number = Integer.parseInt(found.group(2));
                    boolean isFirst = number % 2 == 0;
                    String wide = "wide_" + found.group(1) + (isFirst ? number : number - 1);
                    return (isFirst ? type + " " + wide + " = " + load.replace("INDEX", found.group(3)) + "; " : "")
                            + "DoubleVector " + found.group(1) + number + " = (DoubleVector) " + wide
                            + (isFirst ? first : second) + ";";
                });
    }

    /**
     * Makes vectors of the constants before the loops. Each conversion of a scalar inside of them costs C2 as many nodes as
     * an operation, and from 18,000 nodes on it does not inline in time (measured: objects in some JVMs, in large methods).
     */
    private void broadcastOnce() {
        text = Pattern.compile("(?<=\n    public (?:void|double) )\\w+\\([\\s\\S]*?\n    }").matcher(text).replaceAll(method -> {
            String body = method.group();
            if (body.contains("float a,")) {
                body = body.replaceAll("\\.mul\\(([abmpv])\\)", ".mul($1s)");
            }
            StringBuilder vectors = new StringBuilder();
            for (String[] constant : CONSTANTS) {
                if (Pattern.compile("\\b" + constant[1] + "\\)").matcher(body).find()) {
                    vectors.append(String.format(
                            " %sVector %s = %1$sVector.broadcast(%sS, %s);",
                            constant[0], constant[1], constant[0].toUpperCase(Locale.ROOT), constant[2]));
                }
            }
            return Matcher.quoteReplacement(Pattern.compile("\n        int \\w+ = [^;]+;")
                    .matcher(body)
                    .replaceFirst(first -> Matcher.quoteReplacement(first.group() + vectors)));
        });
    }

    private void loads(String array, Format format) {
        String vector = "\\bFloatVector\\s*\\.fromArray\\(\\s*(\\w+),\\s+" + array + ",\\s+" + INDEX + "\\)";
        String scalar = "(?<![.\\w])" + array + "\\[([^\\]]+)\\](?! =)";
        if (format == Format.FLOAT32) {
            replace(vector, floats(array, "$1", "$2"));
            replace(scalar, element("float", array, "$1"));
        } else {
            replace(
                    vector,
                    "((IntVector) " + shorts(array, "$2")
                            + ".convertShape(S2I, INTS, 0)).lanewise(LSHL, 16).reinterpretAsFloats()");
            replace(scalar, "Bfloat16.toFloat(" + element("short", array, "$1") + ")");
        }
    }

    private void stores() {
        replace("\\.intoArray\\(\\s*weights,\\s+" + INDEX + "\\)", into("float", "weights", "$1"));
        replace("\\.intoArray\\(\\s*halves,\\s+" + INDEX + "\\)", into("short", "halves", "$1"));
        replace("(?<![.\\w])weights\\[([^\\]]+)\\] = ([^;]+);", set("float", "weights", "$1", "$2"));
        replace("(?<![.\\w])halves\\[([^\\]]+)\\] = ([^;]+);", set("short", "halves", "$1", "$2"));
        String vector = "(\\w+)\\.intoArray\\(\\s*momentum,\\s+" + INDEX + "\\);";
        String scalar = "(?<![.\\w])momentum\\[([^\\]]+)\\] = ([^;]+);";
        if (momentum == Format.FLOAT32) {
            replace(vector, "$1" + into("float", "momentum", "$2") + ";");
            replace(scalar, set("float", "momentum", "$1", "$2"));
            return;
        }
        boolean nearest = momentum == Format.BFLOAT16;
        replace(scalar, set("short", "momentum", "$1", nearest ? "rounding.nearest($2)" : "rounding.stochastic($2, $1)"));
        if (kernels.equals("Vector")) {
            String random = nearest
                    ? ""
                    : " IntVector random = IntVector.zero(INTS).addIndex(1)"
                            + ".mul(RandomBits.INCREMENT).add((int) rounding.key());";
            replace("(float\\[] momentum,[^{]+\\{)(?=\\s+int lanes =)", "$1 boolean overflowed = false;" + random);
            replace(
                    "(float\\[] momentum,[^{]+\\{)(?=\\s+if \\(2 \\* GROUP)([\\s\\S]*?)(?=\\n        int lanes =)",
                    "$1$2\n        boolean overflowed = false;" + random);
            replace(
                    "(?=if \\((?:whole < from \\+ length\\) \\{\\s+ScalarKernels\\.updateTail\\(\\s*weights, gradients, momentum,"
                            + "|whole == from \\+ length\\)))",
                    "rounding.note(overflowed); ");
            text = Pattern.compile("(?:" + vector + "\\s*)+")
                    .matcher(text)
                    .replaceAll(stores -> Matcher.quoteReplacement(round(Pattern.compile(vector).matcher(stores.group()))));
        }
    }

    /**
     * Rounds vectors to bfloat16 and stores them, and notes whether an element is not finite after that. A vector of the
     * largest elements that is carried from one turn of the loop to the next would be fewer operations, but makes C2 create
     * objects (measured: up to 11 bytes an element, in a third of all JVMs).
     */
    private String round(Matcher stores) {
        StringBuilder rounded = new StringBuilder();
        String magnitudes = "";
        while (stores.find()) {
            String name = stores.group(1);
            String index = stores.group(2);
            rounded.append((momentum == Format.BFLOAT16 ? NEAREST : STOCHASTIC)
                    .replace("INDEX", index)
                    .replace("VALUE", name));
            rounded.append("ShortVector short_" + name + " = (ShortVector) bits_" + name
                    + ".lanewise(LSHR, 16).convertShape(I2S, SHORTS, 0); short_" + name
                    + into("short", "momentum", index) + "; ");
            String magnitude = "short_" + name + ".and(magnitude)";
            magnitudes = magnitudes.isEmpty() ? magnitude : magnitudes + ".max(" + magnitude + ")";
        }
        return rounded + "overflowed |= " + magnitudes + ".compare(GE, infinity).anyTrue();\n            ";
    }

    private String floats(String array, String species, String index) {
        return place == Place.OFFSETS
                ? "FloatVector.fromArray(" + species + ", (float[]) " + array + "Base, (int) " + array + "At + " + index + ")"
                : "FloatVector.fromMemorySegment(" + species + ", ALL, " + address(array, index, 2) + ", ORDER)";
    }

    private String shorts(String array, String index) {
        return place == Place.OFFSETS
                ? "ShortVector.fromArray(SHORTS, (short[]) " + array + "Base, (int) " + array + "At + " + index + ")"
                : "ShortVector.fromMemorySegment(SHORTS, ALL, " + address(array, index, 1) + ", ORDER)";
    }

    private String into(String type, String array, String index) {
        return place == Place.OFFSETS
                ? ".intoArray((" + type + "[]) " + array + "Base, (int) " + array + "At + " + index + ")"
                : ".intoMemorySegment(ALL, " + address(array, index, type.equals("float") ? 2 : 1) + ", ORDER)";
    }

    private String element(String type, String array, String index) {
        return place == Place.OFFSETS
                ? "((" + type + "[]) " + array + "Base)[(int) " + array + "At + " + index + "]"
                : "ALL.get(" + type.toUpperCase(Locale.ROOT) + ", " + address(array, index, type.equals("float") ? 2 : 1) + ")";
    }

    private String set(String type, String array, String index, String value) {
        return place == Place.OFFSETS
                ? element(type, array, index) + " = " + value + ";"
                : "ALL.set(" + type.toUpperCase(Locale.ROOT) + ", " + address(array, index, type.equals("float") ? 2 : 1) + ", "
                        + value + ");";
    }

    private static String address(String array, String index, int shift) {
        return array + "At + ((long) (" + index + ") << " + shift + ")";
    }

    /** Gives each array a base and a position of its own, and passes on what rounds the momentum. */
    private void signatures() {
        replace("(float|short)\\[] (\\w+)", "Object $2Base, long $2At");
        replace("(Tail|super\\.updateAndSquare)\\(\\s*(\\w+), (\\w+), (\\w+), (whole|first|last|from),", "$1($2Base, $2At, $3Base, $3At, $4Base, $4At, $5,");
        replace("Tail\\((\\w+), (\\w+), (whole|first|last|end),", "Tail($1Base, $1At, $2Base, $2At, $3,");
        replace("Tail\\((\\w+), (whole|first|last|end),", "Tail($1Base, $1At, $2,");
        replace("\\b(int )?from,\\s+", "");
        replace("\\bfrom \\+ ", "");
        replace("= from;", "= 0;");
        replace("(float p,\\s+float v)\\b", "$1, MomentumRounding rounding");
        replace("(, m, p, v)\\b", "$1, rounding");
    }

    private void rename() {
        replace("\\n    /\\*\\* Returns the vector width, in bits\\. \\*/[^}]+}\\n", "");
        replace("(?<!\\w)Kernels\\b", "PlacedKernels");
        replace("\\bScalarKernels\\b", name(place, "Scalar", gradients, momentum));
        replace("\\bVectorKernels\\b", name(place, "Vector", gradients, momentum));
        replace(
                "(package .*;)",
                Matcher.quoteReplacement("// Generated by the build from " + kernels + "Kernels.\n") + "$1\n\n"
                        + (place == Place.OUTSIDE
                                ? "import static io.github.lars4j.internal.memory.NativeMemory.Access.ALL;\n"
                                        + "import static io.github.lars4j.internal.memory.NativeMemory.FLOAT;\n"
                                        + "import static io.github.lars4j.internal.memory.NativeMemory.ORDER;\n"
                                        + "import static io.github.lars4j.internal.memory.NativeMemory.SHORT;\n"
                                : "")
                        + (kernels.equals("Vector") ? "import static jdk.incubator.vector.VectorOperators.*;\n" : ""));
    }

    private void replace(String pattern, String replacement) {
        text = Pattern.compile(pattern).matcher(text).replaceAll(replacement);
    }
}
