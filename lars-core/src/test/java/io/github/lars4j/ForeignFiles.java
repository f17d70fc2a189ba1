package io.github.lars4j;

import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * Writes files, and reads them and goes on from them, for the scripts in {@code src/test/foreign}: whichever machine does
 * which of the two, the bytes are the same.
 */
final class ForeignFiles {

    private static final String TENSORS = "tensors.safetensors";

    /** Of all bits that a conversion could change: signalling and quiet NaN, subnormal numbers, zeros, infinities. */
    private static final int[] BITS = {0x7f800001, 0xffc12345, 1, 0x80000001, 0x80000000, 0x7f800000, 0x3f800000};

    private ForeignFiles() {}

    /** {@code write FOLDER} or {@code resume FROM TO}; the folders must exist. */
    public static void main(String[] args) throws IOException {
        Path last = Path.of(args[args.length - 1]);
        for (SampleRun.Kind kind : SampleRun.Kind.values()) {
            run(kind + ".safetensors", SampleRun.builder(kind), args);
        }
        run(
                "bfloat16.safetensors",
                SampleRun.builder(SampleRun.Kind.PAPER)
                        .momentumFormat(Format.BFLOAT16)
                        .stochasticRounding(42),
                args);
        SafeTensorsWriter writer =
                args[0].equals("write") ? tensors() : read(Path.of(args[1]).resolve(TENSORS));
        try (FileChannel channel =
                FileChannel.open(last.resolve(TENSORS), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writer.writeTo(channel);
        }
    }

    /** Saves a run after 20 steps, or goes on from there and saves it after 40. */
    private static void run(String name, Lars.Builder builder, String[] args) throws IOException {
        float[] weights = SampleRun.params();
        try (Lars lars = builder.build()) {
            if (args[0].equals("write")) {
                SampleRun.run(lars, weights, 20);
                Checkpoint.save(Path.of(args[1]).resolve(name), lars, weights);
            } else {
                Checkpoint.load(Path.of(args[1]).resolve(name)).restore(lars, weights);
                SampleRun.run(lars, weights, 40);
                Checkpoint.save(Path.of(args[2]).resolve(name), lars, weights);
            }
        }
    }

    private static SafeTensorsWriter tensors() {
        float[] floats = new float[BITS.length];
        MemorySegment.ofArray(floats).copyFrom(MemorySegment.ofArray(BITS));
        MemorySegment outside = Arena.ofAuto().allocate(4L * BITS.length, 4).copyFrom(MemorySegment.ofArray(BITS));
        return new SafeTensorsWriter()
                .metadata("machine", "any")
                .floats("floats", List.of((long) BITS.length), floats, 0)
                .floats("outside", List.of((long) BITS.length), outside)
                .doubles("doubles", List.of(3L), new double[] {Math.PI, -0.0, Double.MIN_VALUE}, 0)
                .elements("halves", Dtype.F16, List.of(2L), MemorySegment.ofArray(new short[] {0x3c00, (short) 0xc001}))
                .bytes("bytes", Dtype.U8, List.of(3L), new byte[] {1, 2, 3}, 0);
    }

    /** Reads the tensors of a file into a writer of the same file. */
    private static SafeTensorsWriter read(Path path) throws IOException {
        int n = BITS.length;
        float[] floats = new float[n];
        MemorySegment outside = Arena.ofAuto().allocate(4L * n, 4);
        double[] doubles = new double[3];
        float[] halves = new float[2];
        byte[] bytes = new byte[3];
        try (SafeTensorsFile file = SafeTensorsFile.open(path)) {
            file.readFloats("floats", floats, 0);
            file.readFloats("outside", 0, outside);
            file.readDoubles("doubles", doubles, 0);
            file.readFloats("halves", halves, 0);
            file.readBytes("bytes", bytes, 0);
        }
        MemorySegment shorts = Arena.ofAuto().allocate(4, 2);
        for (int i = 0; i < halves.length; i++) {
            shorts.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(halves[i]));
        }
        return new SafeTensorsWriter()
                .metadata("machine", "any")
                .floats("floats", List.of((long) n), floats, 0)
                .floats("outside", List.of((long) n), outside)
                .doubles("doubles", List.of(3L), doubles, 0)
                .elements("halves", Dtype.F16, List.of(2L), shorts)
                .bytes("bytes", Dtype.U8, List.of(3L), bytes, 0);
    }
}
