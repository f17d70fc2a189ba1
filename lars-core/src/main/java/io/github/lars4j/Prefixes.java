package io.github.lars4j;

import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;

/** What to say of names where a file has none of the layers under the names sought, but has them under others. */
final class Prefixes {

    private static final int NAMED = 3;

    private Prefixes() {}

    /**
     * Says which prefixes would make every layer be found.
     *
     * @param names the names that the file has
     * @param prefix the one that was tried
     * @param call the call that takes another
     * @return a part of a message; empty if there is no such prefix
     */
    static String hint(Layers layers, Set<String> names, String prefix, String call) {
        List<String> prefixes = new ArrayList<>();
        String longest = longestName(layers);
        for (String name : names) {
            if (name.endsWith(longest)) {
                String candidate = name.substring(0, name.length() - longest.length());
                // Of the names that are found here each is found for few candidates, so all in all this is linear.
                if (!candidate.equals(prefix) && allHave(candidate, layers, names)) {
                    prefixes.add(candidate);
                }
            }
        }
        prefixes.sort(null);
        return prefixes.isEmpty() ? "" : "; it has every layer with the prefix " + some(prefixes) + ", see " + call;
    }

    /** A name that few others end with. */
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

    /** The first few of many names, for a message; "none" of none. */
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
