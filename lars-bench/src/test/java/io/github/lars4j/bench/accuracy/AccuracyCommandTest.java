package io.github.lars4j.bench.accuracy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.accuracy.AccuracyCommand.Row;
import io.github.lars4j.bench.accuracy.AccuracyCommand.Verdict;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("locale")
class AccuracyCommandTest {

    @Test
    void verdictsSayWhatIsWrong() {
        assertEquals("0.50", new Verdict(0.5, null).toString());
        assertEquals("12346", new Verdict(12345.6, null).toString());
        assertEquals("inf", new Verdict(Double.POSITIVE_INFINITY, "inf").toString());
        assertFalse(new Verdict(9.9, null).isWrong());
        assertTrue(new Verdict(10, null).isWrong());
        assertTrue(new Verdict(0.5, "stuck").isWrong());
        // A result that is right to the last place is not stuck, though the last eighth is all 0.
        float[] values = {3, 4, 0, 0, 0, 0, 0, 0};
        for (Norm norm : Norm.all()) {
            assertEquals("0.00", Verdict.of(norm, values, ExactNorm.of(values)).toString(), norm.name());
        }
    }

    @Test
    void rowsCountWhatIsWrongAndKeepTheWorstOfTheRest() {
        Row row = new Row(
                "x",
                List.of(
                        new Verdict(3, null),
                        new Verdict(1e4, null),
                        new Verdict(0.1, null),
                        new Verdict(Double.POSITIVE_INFINITY, "NaN")),
                1,
                1);
        assertEquals(2, row.wrong());
        assertEquals(3, row.worst());
    }

    /** The figures of the sentences are those of the rows. */
    @Test
    void conclusionQuotesTheRows() {
        String text = AccuracyCommand.conclusion(List.of(
                row("loop", 111, 5, 8, 10),
                row("simd", 7.25, 2, 0.5, 4),
                row("pairwise", 0.75, 1, 1, 1),
                row("kahan", 0.5, 3, 1, 1),
                row("scalar", 0.25, 0, 1, 1),
                row("stripes", 0.25, 0, 2, 5)));
        String said = text.replaceAll("\\s+", " ");
        int vectors = HardVector.ALL.size();
        assertTrue(said.contains("wrong on 0 of " + vectors + " vectors and else at most 0.45 ulp off"), said);
        assertTrue(said.contains("of the sums in float pairwise does best, and is wrong on 1."), said);
        assertTrue(said.contains("the sum in double is 0.25 ulp off, pairwise 0.75 and float SIMD 7.25."), said);
        assertTrue(
                said.contains("it takes 4.00 times the time of float SIMD from L2 and 1.25 times from memory"), said);
        assertTrue(said.contains("and 0.25 and 0.50 times that of the float loop."), said);
        assertTrue(text.lines().allMatch(line -> line.length() <= 125), text);
    }

    /**
     * A row that is off by so much on the usual vector, is wrong on so many others, and off by 0.45 ulp on the rest.
     */
    private static Row row(String name, double usual, int wrong, double cached, double streamed) {
        List<Verdict> verdicts = new ArrayList<>(Collections.nCopies(HardVector.ALL.size(), new Verdict(0.45, null)));
        for (int i = 1; i <= (usual < 10 ? wrong : wrong - 1); i++) {
            verdicts.set(i, new Verdict(Double.POSITIVE_INFINITY, "inf"));
        }
        verdicts.set(HardVector.ALL.indexOf(HardVector.RESNET50), new Verdict(usual, null));
        return new Row(name, verdicts, cached, streamed);
    }
}
