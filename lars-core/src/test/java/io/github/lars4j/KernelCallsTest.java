package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Every dialect makes the same number of kernel calls. */
@Tag("bits")
class KernelCallsTest extends EveryCall {

    @Test
    void everyDialectMakesTheSameKernelCalls() {
        for (boolean squares : new boolean[] {false, true}) {
            String plan = null;
            for (Rule rule : LarsTest.DIALECTS) {
                if (squares && rule.equals(Dialects.OPTAX) || squares && rule.equals(Dialects.BARLOW_TWINS)) {
                    continue; // These rules need Σw·g, so that given squares do not save them the read.
                }
                Lars lars = builder().rule(rule).build();
                Gradients known = Gradients.of(gradients);
                if (squares) {
                    known.squares(new double[] {1, 1, 1});
                }
                lars.step(params, known);
                // A pass calls one kernel for each block of the plan. What it reads or writes of the layer decides
                // which.
                byte read = (byte) (squares ? 1 : rule.needsProducts(true, 1) ? 7 : 3);
                assertArrayEquals(
                        new byte[] {read, read, read},
                        (byte[]) Inside.field(Inside.step(lars), "reads"),
                        rule.toString());
                assertArrayEquals(new boolean[] {true, true, true}, (boolean[])
                        Inside.field(Inside.field(Inside.step(lars), "decision"), "updates"));
                assertNotEquals(null, Inside.momentum(lars.snapshot()));
                String now = Inside.plan(lars).toString();
                assertEquals(plan == null ? now : plan, now);
                plan = now;
            }
        }
    }
}
