package io.github.lars4j;

import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/** Suggests a prefix if a file does not have the layers under the expected names, but has them under other names. */
final class Prefixes {

    private static final int NAMED = 3;

    private Prefixes() {}

    /**
     * Lists the prefixes with which the file has every layer.
     *
     * @param names the names in the file
     * @param prefix the prefix that was tried
     * @param call the call that takes a prefix as an argument
     * @return a part of a message; empty if there is no such prefix
     */
    static String hint(Layers layers, Set<String> names, String prefix, String call) {
        List<String> prefixes = new ArrayList<>();
        String longest = longestName(layers);
        for (String name : names) {
            if (name.endsWith(longest)) {
                String candidate = name.substring(0, name.length() - longest.length());
                // Each name in the file belongs to few candidates, so the total time is linear.
                if (!candidate.equals(prefix) && allHave(candidate, layers, names)) {
                    prefixes.add(candidate);
                }
            }
        }
        prefixes.sort(null);
        return prefixes.isEmpty() ? "" : "; it has every layer with the prefix " + some(prefixes) + ", see " + call;
    }

    /** Returns the longest name, because few other names end with it. */
    private static String longestName(Layers layers) {
        String longest = "";
        for (Layer layer : layers) {
            longest = layer.name().length() > longest.length() ? layer.name() : longest;
        }
        return longest;
    }

    private static boolean allHave(String prefix, Layers layers, Set<String> names) {
        for (Layer layer : layers) {
            if (!names.contains(prefix + layer.name())) {
                return false;
            }
        }
        return true;
    }

    /** Lists the first few names, for a message; "none" if there are no names. */
    static String some(Collection<String> names) {
        StringBuilder text = new StringBuilder();
        names.stream()
                .limit(NAMED)
                .forEach(name -> text.append(text.isEmpty() ? "" : ", ").append(SafeTensorsException.quote(name)));
        if (names.size() > NAMED) {
            text.append(" and ").append(names.size() - NAMED).append(" more");
        }
        return text.isEmpty() ? "none" : text.toString();
    }
}
