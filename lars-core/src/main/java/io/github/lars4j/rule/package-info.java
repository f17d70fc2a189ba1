/**
 * The variants of LARS: the formula of the trust ratio, the hyperparameters, and the treatment of single layers. Start
 * at {@link io.github.lars4j.rule.Dialects}, which contains the published variants.
 *
 * <p>All types are immutable and safe for use by several threads. No argument may be {@code null}; a {@link
 * java.lang.NullPointerException} names the argument.
 *
 * @since 1.0
 */
package io.github.lars4j.rule;
