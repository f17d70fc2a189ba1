package io.github.lars4j;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.codeUnits;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import io.github.lars4j.internal.Checks;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Checks the compiled classes against docs/design.md: which packages may use which. */
@Tag("no-mutants")
class ArchitectureTest {

    private static final String ROOT = "io.github.lars4j";
    private static final String OURS = ROOT + "..";
    private static final String INTERNAL = ROOT + ".internal..";
    private static final String SIMD = "jdk.incubator.vector..";

    /** The tests in the root package whose subject is not public; all others are of the public API. */
    private static final Set<Class<?>> TESTS_OF_INTERNALS = Set.of(
            ArchitectureTest.class,
            FailuresTest.class,
            KernelCallsTest.class,
            LayerSumsTest.class,
            LiveStateTest.class,
            NativeAccessJvmTest.class,
            SavableTest.class,
            TraceTest.class);

    private static JavaClasses main;
    private static JavaClasses tests;

    @BeforeAll
    static void read() throws URISyntaxException {
        main = classesBeside(Lars.class);
        tests = classesBeside(ArchitectureTest.class);
    }

    private static JavaClasses classesBeside(Class<?> type) throws URISyntaxException {
        return new ClassFileImporter()
                .importPath(Path.of(
                        type.getProtectionDomain().getCodeSource().getLocation().toURI()));
    }

    @Test
    void theRuleKnowsOnlyTheSharedChecks() {
        onlyKnows(ROOT + ".rule");
    }

    @Test
    void theKernelsKnowOnlyTheMemory() {
        onlyKnows(ROOT + ".internal.kernel", ROOT + ".internal.memory");
    }

    @Test
    void memoryKnowsNothing() {
        onlyKnows(ROOT + ".internal.memory");
    }

    @Test
    void theFileFormatKnowsOnlyTheSharedChecksAndErrors() {
        onlyKnows(ROOT + ".safetensors", ROOT + ".internal");
    }

    @Test
    void thePassesKnowTheRuleAndTheKernels() {
        onlyKnows(ROOT + ".internal.passes", ROOT + ".rule", ROOT + ".internal.kernel", ROOT + ".internal.memory");
    }

    @Test
    void savingKnowsTheFileFormat() {
        onlyKnows(ROOT + ".internal.saving", ROOT + ".safetensors", ROOT + ".internal");
    }

    @Test
    void oneFileHasTheSimd() {
        noClasses()
                .that(describe(
                        "are not VectorKernels, from which the others are generated",
                        type -> !outermost(type).getSimpleName().matches("(Native|Offset)?VectorKernels\\w*")))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(SIMD)
                .check(main);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().assignedFrom(new Packages()).should().beFreeOfCycles().check(main);
    }

    @Test
    void noInternalTypeIsInAPublicSignature() {
        codeUnits()
                .that()
                .arePublic()
                .or()
                .areProtected()
                .and()
                .areDeclaredInClassesThat(describe("are exported", ArchitectureTest::exported))
                .should(new ShowNoInternalType<JavaCodeUnit>() {
                    @Override
                    Stream<JavaClass> types(JavaCodeUnit unit) {
                        return Stream.concat(
                                unit.getReturnType().getAllInvolvedRawTypes().stream(),
                                unit.getParameterTypes().stream()
                                        .flatMap(type -> type.getAllInvolvedRawTypes().stream()));
                    }
                })
                .check(main);
        fields().that()
                .arePublic()
                .or()
                .areProtected()
                .and()
                .areDeclaredInClassesThat(describe("are exported", ArchitectureTest::exported))
                .should(new ShowNoInternalType<JavaField>() {
                    @Override
                    Stream<JavaClass> types(JavaField field) {
                        return field.getType().getAllInvolvedRawTypes().stream();
                    }
                })
                .check(main);
        noClasses()
                .that(describe("are exported", ArchitectureTest::exported))
                .should()
                .beAssignableTo(resideInAPackage(INTERNAL))
                .check(main);
    }

    /** What is inside an optimizer they see through {@link Inside}, and their other helpers. */
    @Test
    void testsOfThePublicApiSeeOnlyThePublicApi() {
        classes()
                .that(describe("are tests of the public API", ArchitectureTest::testsThePublicApi))
                .should(new SeeOnlyThePublicApi())
                .check(tests);
    }

    private static boolean testsThePublicApi(JavaClass type) {
        JavaClass outermost = outermost(type);
        return outermost.getPackageName().equals(ROOT)
                && outermost.getSimpleName().endsWith("Test")
                && TESTS_OF_INTERNALS.stream().noneMatch(outermost::isEquivalentTo);
    }

    private static void onlyKnows(String room, String... others) {
        DescribedPredicate<JavaClass> ours = resideInAPackage(OURS);
        classes()
                .that()
                .resideInAPackage(room)
                .should()
                .onlyDependOnClassesThat(resideInAnyPackage(others)
                        .or(resideInAPackage(room))
                        .or(describe("are the checks", type -> type.isEquivalentTo(Checks.class)))
                        .or(DescribedPredicate.not(ours)))
                .check(main);
    }

    private static boolean exported(JavaClass type) {
        return !resideInAPackage(INTERNAL).test(type)
                && type.getModifiers().contains(JavaModifier.PUBLIC)
                && type.getEnclosingClass().map(ArchitectureTest::exported).orElse(true);
    }

    private static JavaClass outermost(JavaClass type) {
        return type.getEnclosingClass().map(ArchitectureTest::outermost).orElse(type);
    }

    /** Assigns every package to a slice of its own. */
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

    private static final class SeeOnlyThePublicApi extends ArchCondition<JavaClass> {

        SeeOnlyThePublicApi() {
            super("see only the public API");
        }

        @Override
        public void check(JavaClass test, ConditionEvents events) {
            test.getDirectDependenciesFromSelf().stream()
                    .filter(dependency ->
                            main.contain(dependency.getTargetClass().getName())
                                    && !exported(dependency.getTargetClass()))
                    .forEach(
                            dependency -> events.add(SimpleConditionEvent.violated(test, dependency.getDescription())));
            test.getAccessesFromSelf().stream()
                    .filter(access -> access.getTarget()
                            .resolveMember()
                            .filter(member -> main.contain(member.getOwner().getName())
                                    && !member.getModifiers().contains(JavaModifier.PUBLIC))
                            .isPresent())
                    .forEach(access -> events.add(SimpleConditionEvent.violated(test, access.getDescription())));
        }
    }

    private abstract static class ShowNoInternalType<T> extends ArchCondition<T> {

        ShowNoInternalType() {
            super("show no internal type");
        }

        abstract Stream<JavaClass> types(T member);

        @Override
        public void check(T member, ConditionEvents events) {
            types(member)
                    .filter(resideInAPackage(INTERNAL))
                    .forEach(type ->
                            events.add(SimpleConditionEvent.violated(member, member + " shows " + type.getName())));
        }
    }
}
