package io.github.lars4j.release;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.SAXException;
import org.xml.sax.helpers.DefaultHandler;

/** A pom, with what it inherits from its parents in the same bundle. */
final class Pom {

    private final Element project;
    /** {@code null} for a pom without a parent. */
    private final Pom parent;

    private Pom(Element project, Pom parent) {
        this.project = project;
        this.parent = parent;
    }

    /**
     * Reads the pom of a component and those of its parents.
     *
     * @throws IOException if one is missing or cannot be read
     */
    static Pom read(Bundle bundle, Bundle.Component component) throws IOException {
        byte[] content = component.file(".pom");
        if (content == null) {
            throw new IOException(component + " has no pom");
        }
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            DocumentBuilder builder = factory.newDocumentBuilder();
            builder.setErrorHandler(new DefaultHandler()); // the default one also prints
            Element project = builder.parse(new ByteArrayInputStream(content)).getDocumentElement();
            Element of = child(project, "parent");
            if (of == null) {
                return new Pom(project, null);
            }
            String name = text(of, "groupId") + ":" + text(of, "artifactId") + ":" + text(of, "version");
            Bundle.Component parent = bundle.component(name);
            if (parent == null) {
                throw new IOException(component + " has the parent " + name + ", which is not in the bundle");
            }
            return new Pom(project, read(bundle, parent));
        } catch (SAXException | ParserConfigurationException e) {
            throw new IOException("the pom of " + component + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Returns the text of an element of this pom itself, as in {@code scm/url}, or "". */
    String own(String path) {
        Element element = project;
        // The names of properties contain no slash.
        for (String name : path.split("/", -1)) {
            element = child(element, name);
            if (element == null) {
                return "";
            }
        }
        return element.getTextContent().strip();
    }

    /** Returns the text of an element of this pom, or of the nearest parent that has it, or "". */
    String inherited(String path) {
        String own = own(path);
        return own.isEmpty() && parent != null ? parent.inherited(path) : own;
    }

    /** Returns the elements of a list of this pom itself, as of {@code dependencies/dependency}. */
    List<Element> list(String path) {
        Element element = project;
        String[] names = path.split("/", -1);
        for (int i = 0; i < names.length - 1; i++) {
            element = child(element, names[i]);
            if (element == null) {
                return List.of();
            }
        }
        return children(element, names[names.length - 1]);
    }

    /** Returns a text with the values of properties in place of their names, where this pom or its parents have them. */
    String resolve(String text) {
        Matcher name = Pattern.compile("\\$\\{([^}]+)}").matcher(text);
        return name.replaceAll(match -> {
            String property = match.group(1);
            String value =
                    property.equals("project.version") ? inherited("version") : inherited("properties/" + property);
            return Matcher.quoteReplacement(value.isEmpty() ? match.group() : value);
        });
    }

    /** Returns the parent, or {@code null}. */
    Pom parent() {
        return parent;
    }

    /** Returns the text of a child, or "". */
    static String text(Element element, String name) {
        Element child = child(element, name);
        return child == null ? "" : child.getTextContent().strip();
    }

    private static Element child(Element element, String name) {
        List<Element> children = children(element, name);
        return children.isEmpty() ? null : children.getFirst();
    }

    private static List<Element> children(Element element, String name) {
        return children(element).stream()
                .filter(child -> child.getTagName().equals(name))
                .toList();
    }

    /** Returns the elements in an element. */
    static List<Element> children(Element element) {
        List<Element> children = new ArrayList<>();
        for (Node node = element.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element child) {
                children.add(child);
            }
        }
        return children;
    }
}
