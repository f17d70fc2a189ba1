package io.github.lars4j;

import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** The part of the {@link MisuseTable} that concerns formats. */
abstract class MisuseOfFormats extends MisuseOfTensors {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).momentum(0.9).onBadGradient(OnBadGradient.SKIP_LAYER);
    }

    final void formats() {
        tensorsInFormats();
        momentumFormats();
        halfWeights();
        layersInFormats();
        elementsOfFiles();
    }

    private void tensorsInFormats() {
        short[] a = new short[5];
        MemorySegment segment = Arena.ofAuto().allocate(16, 2);
        watching(() -> "");
        on("Tensors.flat(Format,short[])");
        isNull(0, "format", () -> Tensors.flat(null, a));
        bad(0, () -> Tensors.flat(Format.FLOAT32, a), "format is FLOAT32; it must be BFLOAT16 or FLOAT16");
        isNull(1, "array", () -> Tensors.flat(Format.FLOAT16, (short[]) null));
        on("Tensors.byLayer(Format,short[][])");
        isNull(0, "format", () -> Tensors.byLayer((Format) null, a));
        bad(0, () -> Tensors.byLayer(Format.FLOAT32, a), "format is FLOAT32");
        isNull(1, "arrays", () -> Tensors.byLayer(Format.FLOAT16, (short[][]) null));
        isNull(1, "arrays[1]", () -> Tensors.byLayer(Format.FLOAT16, a, null));
        bad(1, () -> Tensors.byLayer(Format.FLOAT16, a, a), "arrays[1] is the same array as arrays[0]");
        on("Tensors.flat(Format,MemorySegment)");
        isNull(0, "format", () -> Tensors.flat(null, segment));
        isNull(1, "segment", () -> Tensors.flat(Format.BFLOAT16, (MemorySegment) null));
        bad(1, () -> Tensors.flat(Format.BFLOAT16, MemorySegment.ofArray(a)), "segment is on the heap");
        bad(1, () -> Tensors.flat(Format.BFLOAT16, segment.asSlice(1)), "aligned to 2 bytes");
        on("Tensors.byLayer(Format,MemorySegment[])");
        isNull(0, "format", () -> Tensors.byLayer((Format) null, segment));
        isNull(1, "segments", () -> Tensors.byLayer(Format.BFLOAT16, (MemorySegment[]) null));
        isNull(1, "segments[0]", () -> Tensors.byLayer(Format.BFLOAT16, (MemorySegment) null));
        bad(1, () -> Tensors.byLayer(Format.FLOAT16, segment.asSlice(1)), "segments[0]", "aligned to 2 bytes");
        bad(1, () -> Tensors.byLayer(Format.FLOAT16, segment, segment.asSlice(2)), "overlaps");
    }

    private void momentumFormats() {
        on("Lars.Builder.momentumFormat(Format)");
        isNull(0, "momentumFormat", () -> builder().momentumFormat(null));
        bad(0, () -> builder().momentumFormat(Format.FLOAT16), "momentumFormat is FLOAT16", "FLOAT32 or BFLOAT16");
        on("Lars.Builder.momentumBuffer(Tensors)");
        bad(
                0,
                () -> builder()
                        .momentumBuffer(Tensors.flat(Format.FLOAT16, new short[8]))
                        .build(),
                "momentumBuffer is FLOAT16; it must be FLOAT32 or BFLOAT16");
        bad(
                0,
                () -> builder()
                        .momentumFormat(Format.BFLOAT16)
                        .momentumBuffer(new float[8])
                        .build(),
                "momentumBuffer is FLOAT32; it must be BFLOAT16");
        short[] infinite = new short[8];
        infinite[6] = (short) 0xff80;
        bad(
                0,
                () -> builder()
                        .momentumBuffer(Tensors.flat(Format.BFLOAT16, infinite))
                        .build(),
                "momentumBuffer is -Infinity at 1 of layer \"b\"");
    }

    private void halfWeights() {
        float[] w = Random32.normal(1, 8, 1);
        short[] momentum = new short[8];
        Tensors params = Tensors.flat(w);
        Tensors gradients = Tensors.flat(Format.BFLOAT16, new short[8]);
        Tensors buffer = Tensors.flat(Format.BFLOAT16, momentum);
        Tensors halves = Tensors.flat(Format.BFLOAT16, new short[8]);
        Gradients known = Gradients.of(gradients);
        Lars lars = builder().momentumBuffer(buffer).build();
        LayerSums sums = new LayerSums(LAYERS);
        for (int i = 0; i < LAYERS.size(); i++) {
            sums.setWeights(i, 1);
            sums.setGradients(i, 1);
            sums.setProducts(i, 1);
        }
        Tensors narrow = Tensors.flat(Format.BFLOAT16, new short[9]);
        Tensors wide = Tensors.flat(new float[8]);
        Tensors halfFloats = Tensors.flat(Format.FLOAT16, new short[8]);
        Tensors few = Tensors.flat(Format.BFLOAT16, new short[7]);
        Tensors readOnly =
                Tensors.flat(Format.BFLOAT16, Arena.ofAuto().allocate(16, 2).asReadOnly());
        MemorySegment weights = Arena.ofAuto().allocate(46, 4);
        watching(() -> SampleRun.bits(lars, w) + Arrays.toString(momentum));
        on("Lars.step(Tensors,Tensors,Tensors)");
        isNull(0, "params", () -> lars.step(null, gradients, halves));
        bad(0, () -> lars.step(narrow, gradients, halves), "params is BFLOAT16; it must be FLOAT32");
        isNull(1, "gradients", () -> lars.step(params, (Tensors) null, halves));
        bad(1, () -> lars.step(params, buffer, halves), "gradients is the same array as the momentum buffer");
        isNull(2, "halfWeights", () -> lars.step(params, gradients, (Tensors) null));
        bad(2, () -> lars.step(params, gradients, wide), "halfWeights is FLOAT32; it must be BFLOAT16");
        bad(2, () -> lars.step(params, gradients, halfFloats), "halfWeights is FLOAT16; it must be BFLOAT16");
        bad(2, () -> lars.step(params, gradients, few), "halfWeights has length 7", "at least 8");
        bad(2, () -> lars.step(params, gradients, readOnly), "halfWeights is read-only");
        bad(2, () -> lars.step(params, gradients, gradients), "halfWeights is the same array as gradients");
        bad(2, () -> lars.step(params, gradients, buffer), "halfWeights is the same array as the momentum buffer");
        on("Lars.step(Tensors,Gradients,Tensors)");
        isNull(0, "params", () -> lars.step(null, known, halves));
        bad(0, () -> lars.step(narrow, known, halves), "params is BFLOAT16");
        isNull(1, "gradients", () -> lars.step(params, (Gradients) null, halves));
        bad(1, () -> lars.step(params, Gradients.of(params), halves), "gradients is the same array as params");
        isNull(2, "halfWeights", () -> lars.step(params, known, (Tensors) null));
        bad(2, () -> lars.step(params, known, wide), "halfWeights is FLOAT32");
        on("Lars.update(Tensors,Gradients,LayerSums,Tensors)");
        isNull(0, "params", () -> lars.update(null, known, sums, halves));
        bad(0, () -> lars.update(narrow, known, sums, halves), "params is BFLOAT16");
        isNull(1, "gradients", () -> lars.update(params, null, sums, halves));
        bad(1, () -> lars.update(params, Gradients.of(few), sums, halves), "gradients has length 7");
        isNull(2, "sums", () -> lars.update(params, known, null, halves));
        bad(2, () -> lars.update(params, known, new LayerSums(LAYERS), halves), "sums is incomplete");
        isNull(3, "halfWeights", () -> lars.update(params, known, sums, null));
        bad(3, () -> lars.update(params, known, sums, wide), "halfWeights is FLOAT32");
        on("Lars.beginStep(Tensors,double,Tensors)");
        isNull(0, "params", () -> lars.beginStep(null, 1, halves));
        bad(0, () -> lars.beginStep(narrow, 1, halves), "params is BFLOAT16");
        badNumbers(1, "gradientScale", scale -> lars.beginStep(params, scale, halves), 0, -1, NAN, INF, -INF);
        isNull(2, "halfWeights", () -> lars.beginStep(params, 1, null));
        bad(2, () -> lars.beginStep(params, 1, wide), "halfWeights is FLOAT32; it must be BFLOAT16");
        bad(2, () -> lars.beginStep(params, 1, few), "halfWeights has length 7", "at least 8");
        bad(2, () -> lars.beginStep(params, 1, readOnly), "halfWeights is read-only");
        bad(2, () -> lars.beginStep(params, 1, buffer), "halfWeights is the same array as the momentum buffer");
        Tensors over = Tensors.flat(weights);
        Tensors under = Tensors.flat(Format.BFLOAT16, weights.asSlice(30));
        bad(2, () -> lars.beginStep(over, 1, under), "halfWeights of layer \"a\" shares memory with params");
    }

    private void layersInFormats() {
        float[] w = Random32.normal(1, 8, 1);
        short[] momentum = new short[8];
        Lars lars = builder()
                .momentumBuffer(Tensors.flat(Format.BFLOAT16, momentum))
                .build();
        short[] copies = new short[8];
        lars.beginStep(Tensors.flat(w), 1, Tensors.flat(Format.BFLOAT16, copies));
        short[] five = new short[5];
        MemorySegment segment = Arena.ofAuto().allocate(10, 2);
        watching(() -> SampleRun.bits(lars, w) + Arrays.toString(momentum) + Arrays.toString(copies));
        on("Lars.applyLayer(int,Format,short[])");
        badIndex(0, () -> lars.applyLayer(2, Format.BFLOAT16, five), "layer is 2", "[0, 2)");
        isNull(1, "format", () -> lars.applyLayer(0, null, five));
        bad(1, () -> lars.applyLayer(0, Format.FLOAT32, five), "format is FLOAT32");
        isNull(2, "gradient", () -> lars.applyLayer(0, Format.BFLOAT16, (short[]) null));
        bad(2, () -> lars.applyLayer(0, Format.BFLOAT16, new short[4]), "gradient has 4 elements", "at least 5");
        bad(2, () -> lars.applyLayer(0, Format.BFLOAT16, momentum), "gradient shares memory with the momentum buffer");
        bad(2, () -> lars.applyLayer(0, Format.BFLOAT16, copies), "gradient shares memory with halfWeights");
        on("Lars.applyLayer(int,Format,MemorySegment)");
        badIndex(0, () -> lars.applyLayer(-1, Format.FLOAT16, segment), "layer is -1", "[0, 2)");
        isNull(1, "format", () -> lars.applyLayer(0, null, segment));
        isNull(2, "gradient", () -> lars.applyLayer(0, Format.FLOAT16, (MemorySegment) null));
        bad(2, () -> lars.applyLayer(0, Format.FLOAT16, segment.asSlice(2)), "gradient has 4 elements");
        bad(2, () -> lars.applyLayer(0, Format.FLOAT32, segment.asSlice(2)), "gradient is at address", "4 bytes");
    }

    private void elementsOfFiles() {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        MemorySegment segment = MemorySegment.ofArray(new short[3]);
        List<Long> two = List.of(2L);
        writer.elements("t", Dtype.BF16, two, segment);
        watching(() -> "" + writer.size());
        on("SafeTensorsWriter.elements(String,Dtype,List,MemorySegment)");
        isNull(0, "name", () -> writer.elements(null, Dtype.F16, two, segment));
        bad(0, () -> writer.elements("t", Dtype.F16, two, segment), "name is \"t\"");
        isNull(1, "dtype", () -> writer.elements("u", null, two, segment));
        bad(1, () -> writer.elements("u", Dtype.I16, two, segment), "dtype is I16; it must be F32, F16 or BF16");
        isNull(2, "shape", () -> writer.elements("u", Dtype.F16, null, segment));
        bad(2, () -> writer.elements("u", Dtype.F16, List.of(-1L), segment), "shape [-1]");
        isNull(3, "data", () -> writer.elements("u", Dtype.F16, two, null));
        bad(3, () -> writer.elements("u", Dtype.F16, List.of(4L), segment), "data.byteSize() is 6", "8 or more");
        bad(3, () -> writer.elements("u", Dtype.F32, two, segment), "data.byteSize() is 6", "8 or more");
    }
}
