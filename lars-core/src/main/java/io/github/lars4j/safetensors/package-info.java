/**
 * A strict reader and a canonical writer for safetensors files, without dependencies. Start at {@link
 * io.github.lars4j.safetensors.SafeTensorsFile} and {@link io.github.lars4j.safetensors.SafeTensorsWriter}.
 *
 * <p>A safetensors file consists of the length of the header (8 bytes, little-endian), the header, which is JSON that
 * contains dtype, shape and position of every tensor, and the data of the tensors, little-endian and in C order.
 *
 * <p>The reader accepts and refuses the same files as the reference implementation (version 0.8.0), except that it also
 * refuses the following, which readers could interpret differently:
 *
 * <ul>
 *   <li>a tensor name or metadata key that occurs twice; the reference uses the last one,
 *   <li>a field of a tensor other than {@code dtype}, {@code shape} and {@code data_offsets}; the reference ignores it,
 *   <li>a tensor that is a list of its three fields, and a dtype that is an object; the reference accepts both because
 *       its JSON parser does,
 *   <li>a dimension, a data offset, a product of the first dimensions of a shape, or a size in bits, of 2<sup>63</sup>
 *       or more; the reference uses unsigned 64-bit numbers. No file is that long.
 * </ul>
 *
 * <p>No argument may be {@code null} unless its description says so; a {@link java.lang.NullPointerException} names the
 * argument.
 *
 * @since 1.0
 */
package io.github.lars4j.safetensors;
