package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class DataSetTest {

    /** 100 images of one pixel, all different. */
    private static DataSet numbered() {
        byte[] pixels = new byte[100];
        byte[] labels = new byte[100];
        for (int i = 0; i < 100; i++) {
            pixels[i] = (byte) (2 * i);
            labels[i] = (byte) (i % 10);
        }
        return new DataSet(pixels, labels);
    }

    private static Set<Float> inputs(DataSet data) {
        Set<Float> inputs = new TreeSet<>();
        float[] input = new float[1];
        for (int i = 0; i < data.size(); i++) {
            data.copy(i, input, 0);
            inputs.add(input[0]);
        }
        return inputs;
    }

    @Test
    void splitsIntoPartsThatShareNothingAndLoseNothing() {
        DataSet.Split split = numbered().split(30, 5);
        assertEquals(70, split.training().size());
        assertEquals(30, split.heldOut().size());
        Set<Float> all = inputs(split.training());
        all.addAll(inputs(split.heldOut()));
        assertEquals(inputs(numbered()), all);
        assertEquals(inputs(numbered().split(30, 5).heldOut()), inputs(split.heldOut()), "the same seed");
        assertNotEquals(inputs(numbered().split(30, 6).heldOut()), inputs(split.heldOut()), "another seed");
    }

    @Test
    void keepsImagesAndLabelsTogether() {
        DataSet part = numbered().split(30, 5).heldOut();
        float[] input = new float[1];
        for (int i = 0; i < part.size(); i++) {
            part.copy(i, input, 0);
            long image = Math.round((input[0] * 0.3530 + 0.2860) * 255 / 2);
            assertEquals(image % 10, part.label(i));
        }
    }

    @Test
    void scalesUnsignedPixelsAndWritesAtTheOffset() {
        float[] inputs = {9, 9, 9, 9};
        new DataSet(new byte[] {0, (byte) 255}, new byte[] {3}).copy(0, inputs, 1);
        assertArrayEquals(new float[] {9, -0.2860f / 0.3530f, 0.7140f / 0.3530f, 9}, inputs, 1e-6f);
    }
}
