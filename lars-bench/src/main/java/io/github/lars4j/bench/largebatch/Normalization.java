package io.github.lars4j.bench.largebatch;

/** Whether the hidden layers of a network are normalised, and over which examples the statistics are taken. */
enum Normalization {
    /** No normalisation: the layers have biases. */
    NONE("plain"),
    /** Batch normalisation with statistics of the whole batch. */
    BATCH("normalised"),
    /**
     * Batch normalisation with statistics of equal parts of the batch, each of at most {@link #GHOST_BATCH} examples
     * (Hoffer, Hubara and Soudry 2017, "ghost batches"). So does data-parallel training, as each accelerator normalises
     * its own examples (PyTorch's DistributedDataParallel without SyncBatchNorm; {@code model_bn_span} in the logs of
     * MLPerf's ResNet-50 is their number). Every part updates the running statistics in its turn.
     */
    GHOST("normalised");

    /** The smallest batch of the experiment: larger batches get no better statistics than it has. */
    static final int GHOST_BATCH = 256;

    /** Without statistics the size of the parts changes nothing but the memory that is needed. */
    private static final int SLICE = 512;

    private final String words;

    Normalization(String words) {
        this.words = words;
    }

    /** The network's name in tables and charts. */
    String words() {
        return words;
    }

    /** Maximum number of examples of a batch that are processed together. */
    int span(int batch) {
        return switch (this) {
            case NONE -> SLICE;
            case BATCH -> batch;
            case GHOST -> GHOST_BATCH;
        };
    }
}
