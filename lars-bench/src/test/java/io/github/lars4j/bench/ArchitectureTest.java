package io.github.lars4j.bench;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toCollection;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import io.github.lars4j.Lars;
import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.Commands;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Which room may know which: the picture in docs/design.md, held against the compiled classes. */
class ArchitectureTest {

    private static final String ROOT = "io.github.lars4j.bench";

    private static JavaClasses main;

    @BeforeAll
    static void read() throws URISyntaxException, IOException {
        main = besides(BenchMain.class);
    }

    /** Returns the classes in the folder or the jar of a class. */
    private static JavaClasses besides(Class<?> type) throws URISyntaxException, IOException {
        Path home =
                Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
        JavaClasses classes;
        if (Files.isDirectory(home)) {
            classes = new ClassFileImporter().importPath(home);
        } else {
            try (JarFile jar = new JarFile(home.toFile())) {
                classes = new ClassFileImporter().importJar(jar);
            }
        }
        assertTrue(classes.contain(type), home.toString());
        return classes;
    }

    @Test
    void roomsKnowOnlyTheRoomsUnderThem() {
        onlyKnows("command");
        onlyKnows("machine");
        onlyKnows("chart");
        onlyKnows("files");
        onlyKnows("arms", "files");
        onlyKnows("report", "arms", "chart", "command", "files");
        onlyKnows("coldstart", "report", "arms", "chart", "machine", "command", "files");
        onlyKnows("measure", "coldstart", "report", "arms", "chart", "machine", "command", "files");
        onlyKnows("accuracy", "chart", "machine", "command");
        onlyKnows("largebatch", "arms", "chart", "machine", "command", "files");
        onlyKnows("replay", "arms", "chart", "command");
        onlyKnows("launch");
    }

    /** A trainer's test that replays recordings may have lars-core on the module path. */
    @Test
    void replayUsesOnlyWhatLarsCoreExports() {
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".replay")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.github.lars4j.internal..")
                .check(main);
    }

    @Test
    void everyRoomIsInTheList() {
        TreeSet<String> rooms = main.stream()
                .map(JavaClass::getPackageName)
                .filter(name -> !name.equals(ROOT) && !name.endsWith(".jmh_generated"))
                .map(name -> name.substring(ROOT.length() + 1))
                .collect(toCollection(TreeSet::new));
        assertEquals(
                new TreeSet<>(List.of(
                        "command",
                        "machine",
                        "chart",
                        "files",
                        "arms",
                        "report",
                        "coldstart",
                        "measure",
                        "accuracy",
                        "largebatch",
                        "replay",
                        "launch")),
                rooms);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().assignedFrom(new Packages()).should().beFreeOfCycles().check(main);
    }

    /** Options are parsed in one place, and declared by the commands. */
    @Test
    void onlyCommandsKnowTheParserOfOptions() {
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + ".command")
                .and(describe("are no commands", type -> !isCommand(outermost(type))))
                .should()
                .dependOnClassesThat(describe(
                        "are picocli's, exit codes excepted",
                        type -> resideInAPackage("picocli..").test(type)
                                && !type.getSimpleName().equals("ExitCode")))
                .check(main);
    }

    @Test
    void topLevelClassesHaveNamesOfTheirOwn() throws URISyntaxException, IOException {
        JavaClasses core = besides(Lars.class);
        Map<String, TreeSet<String>> byName = Stream.concat(main.stream(), core.stream())
                .filter(type -> type.isTopLevelClass() && !type.getSimpleName().equals("package-info"))
                .collect(groupingBy(JavaClass::getSimpleName, mapping(JavaClass::getName, toCollection(TreeSet::new))));
        byName.values().removeIf(names -> names.size() == 1);
        assertEquals(Map.of(), byName);
    }

    private static void onlyKnows(String room, String... others) {
        DescribedPredicate<JavaClass> allowed = resideInAnyPackage(
                Stream.of(others).map(other -> ROOT + "." + other).toArray(String[]::new));
        classes()
                .that()
                .resideInAPackage(ROOT + "." + room)
                .should()
                .onlyDependOnClassesThat(
                        allowed.or(resideInAPackage(ROOT + "." + room)).or(not(resideInAPackage(ROOT + ".."))))
                .check(main);
    }

    private static boolean isCommand(JavaClass type) {
        return type.isAssignableTo(Command.class) || type.isAssignableTo(Commands.Fallback.class);
    }

    private static JavaClass outermost(JavaClass type) {
        return type.getEnclosingClass().map(ArchitectureTest::outermost).orElse(type);
    }

    /** Every package by itself. */
    private static final class Packages implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(type.getPackageName());
        }

        @Override
        public String getDescription() {
            return "packages";
        }
    }
}
