package io.github.lars4j.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Recognises other file formats by their first bytes, and suggests Python code that converts them to safetensors. */
final class ForeignFormat {

    /** The number of bytes at the start of a file that are examined. */
    static final int BYTES = 256;

    private static final int NAME_LENGTH_AT = 26;
    private static final int NAME_AT = 30;

    private ForeignFormat() {}

    /**
     * Describes the format of a file.
     *
     * @param first the first bytes of the file, 10 to {@link #BYTES} of them
     * @return a sentence and two lines of Python; {@code null} if the format is unknown
     */
    static String describe(byte[] first) {
        String text = new String(first, StandardCharsets.ISO_8859_1);
        if (text.startsWith("PK\3\4")) {
            return entryName(first, text).endsWith(".npy") ? npz() : torch("a zip archive, as torch.save writes");
        }
        if (text.startsWith("\u0080") && text.charAt(1) >= 2 && text.charAt(1) <= 5) {
            return torch("a Python pickle, as older versions of torch.save write");
        }
        if (text.startsWith("\u0093NUMPY")) {
            return told(
                    "an array of numpy.save (.npy)",
                    "import numpy; from safetensors.numpy import save_file",
                    "save_file({\"name\": numpy.load(\"in.npy\")}, \"out.safetensors\")");
        }
        if (text.startsWith("\u0089HDF\r\n\u001a\n")) {
            return told(
                    "an HDF5 file (.h5, .hdf5)",
                    "import h5py; from safetensors.numpy import save_file; tensors = {}; file = h5py.File(\"in.h5\")",
                    "file.visititems(lambda name, item: tensors.update({name: item[()]}) if hasattr(item, \"dtype\")"
                            + " else None); save_file(tensors, \"out.safetensors\")");
        }
        return null;
    }

    /** Returns the name of the first entry of a zip archive, or the part of it that is available. */
    private static String entryName(byte[] first, String text) {
        if (first.length < NAME_AT) {
            return "";
        }
        int length = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getShort(NAME_LENGTH_AT) & 0xffff;
        return text.substring(NAME_AT, Math.min(text.length(), NAME_AT + length));
    }

    private static String npz() {
        return told(
                "an archive of numpy.savez (.npz)",
                "import numpy; from safetensors.numpy import save_file",
                "save_file(dict(numpy.load(\"in.npz\")), \"out.safetensors\")");
    }

    private static String torch(String what) {
        return told(
                what + " (.pt, .pth, .bin)",
                "import torch; from safetensors.torch import save_file",
                "save_file({name: tensor.contiguous().clone() for name, tensor in torch.load(\"in.pt\", map_location=\"cpu\")"
                        + ".items()}, \"out.safetensors\")");
    }

    private static String told(String what, String imports, String converts) {
        return "it is " + what + ", not a safetensors file. In Python, this converts one that holds tensors by name:"
                + System.lineSeparator() + "  " + imports + System.lineSeparator() + "  " + converts;
    }
}
