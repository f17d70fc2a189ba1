/**
 * Strict reading and canonical writing of safetensors files, without dependencies.
 *
 * <p>A safetensors file is an 8-byte little-endian header length, that many bytes of JSON naming every tensor's dtype,
 * shape and place, and then the tensors' data, little-endian and in C order. The reader accepts what the
 * reference implementation (version 0.8.0) accepts, and refuses what that refuses, with these exceptions. It refuses,
 * because another reader could take it in another way:
 *
 * <ul>
 *   <li>a tensor's name, or a key of the metadata, that is given twice: the reference takes the last one,
 *   <li>a field of a tensor other than {@code dtype}, {@code shape} and {@code data_offsets}: the reference ignores it,
 *   <li>a tensor that is a list of its three fields, and a dtype that is an object, both of which the reference takes
 *       because its JSON parser does,
 *   <li>a dimension, a data offset, a product of the first dimensions of a shape, or a size in bits of 2<sup>63</sup>
 *       and more: the reference has 64 bits without a sign. No file is so long.
 * </ul>
 *
 * <p>No argument may be {@code null} unless its description says so: a {@link java.lang.NullPointerException} names it.
 */
package io.github.lars4j.safetensors;
