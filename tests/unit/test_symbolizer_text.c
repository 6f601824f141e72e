// SPDX-License-Identifier: MIT
/* Names that do not come from ELF: kallsyms, perf-maps, demangling, and the search they share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "helper/protocol.h"
#include "symbolizer/demangle.h"
#include "symbolizer/kallsyms.h"
#include "symbolizer/kernel.h"
#include "symbolizer/nearest.h"
#include "symbolizer/perfmap.h"
#include "symbolizer/raw_names.h"

typedef int (*resolver)(struct names *answer, int fd, const uint64_t *addresses, size_t n);

static int file_with(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static const char *name_of(const struct names *a, size_t i)
{
	const struct symbolizer_address *address = &a->addresses[i];

	return address->count ? a->strings + a->functions[a->lines[address->first].function].name
			      : "";
}

/* Resolves addresses in a text and compares the names. */
static void expect(resolver resolve, const char *text, const uint64_t *addresses,
	const char *const *names, size_t n)
{
	struct names a;
	int fd = file_with(text);

	assert_int_equal(names_init(&a, addresses, n), 0);
	assert_int_equal(resolve(&a, fd, addresses, n), 0);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(name_of(&a, i), names[i]);
	names_free(&a);
	close(fd);
}

#define EXPECT(resolve, text, addresses, names) \
	expect(resolve, text, addresses, names, sizeof(addresses) / sizeof(*(addresses)))

static int kallsyms_names(struct names *answer, int fd, const uint64_t *addresses, size_t n)
{
	struct kallsyms_text text;

	return kallsyms_resolve(answer, fd, addresses, n, &text);
}

static void kallsyms_is_sorted_and_bounded(void **state)
{
	static const char text[] = "ffffffff81002000 t second\n"
				   "ffffffff81001000 T first\n"
				   "ffffffff81001800 d data_is_no_code\n"
				   "ffffffff81003000 T __alias\n"
				   "ffffffff81003000 T alias\n"
				   "ffffffff81003000 W weak\n"
				   "ffffffffc0001000 t do_it\t[mod]\n"
				   "ffffffffc0002000 t bpf_prog_0123_name\t[bpf]\n"
				   "not a symbol\n"
				   "ffffffff81004000 T last";
	static const uint64_t addresses[] = {0x1000, 0xffffffff81001000, 0xffffffff81001fff,
		0xffffffff81002000, 0xffffffff81003001, 0xffffffff81004004, 0xffffffff91004004,
		0xffffffffc0001fff, 0xffffffffc0002010, 0xffffffffff000000};
	static const char *const names[] = {"", "first", "first", "second", "alias", "last", "",
		"do_it [mod]", "bpf_prog_0123_name", ""};

	EXPECT(kallsyms_names, text, addresses, names);
}

static void hidden_kallsyms_are_refused(void **state)
{
	static const uint64_t address[] = {0xffffffff81001000};
	struct kallsyms_text text;
	struct names a;
	int fd = file_with("0000000000000000 T first\n0000000000000000 T second\n");

	assert_int_equal(names_init(&a, address, 1), 0);
	assert_int_equal(kallsyms_resolve(&a, fd, address, 1, &text), -EPERM);
	names_free(&a);
	close(fd);
}

static void expect_text(const char *text, int error, uint64_t begin, uint64_t end)
{
	static const uint64_t address[] = {0xffffffff81001000};
	struct kallsyms_text bounds = {1, 2};
	struct names a;
	int fd = file_with(text);

	assert_int_equal(names_init(&a, address, 1), 0);
	assert_int_equal(kallsyms_resolve(&a, fd, address, 1, &bounds), error);
	assert_int_equal(bounds.begin, begin);
	assert_int_equal(bounds.end, end);
	names_free(&a);
	close(fd);
}

static void kallsyms_says_where_the_kernel_lies(void **state)
{
	expect_text("81000000 T _stext\n81000000 T first\n82000000 T _etext\n", 0, 0x81000000,
		0x82000000);
	expect_text("c0001000 t _stext\t[mod]\n81000000 T _stext\nc0002000 t _etext\t[mod]\n"
		    "82000000 T _etext",
		0, 0x81000000, 0x82000000);
	expect_text("81000000 T _stext\n", 0, 0, 0);
	expect_text("0 T _stext\n0 T _etext\n", -EPERM, 0, 0);
	expect_text("82000000 T _stext\n81000000 T _etext\n", 0, 0, 0);
	expect_text("", -EPERM, 0, 0);
}

/* ---- the kernel's debug file ------------------------------------------------------------------
 */

struct debug_folder {
	unsigned wants;
	const char *file; /* NULL: there is none */
};

static int want_vmlinux(void *userdata, const char *name)
{
	struct debug_folder *folder = userdata;

	static const char *const order[] = {"0123abcd", HELPER_KERNEL, "!0123abcd"};

	assert_string_equal(name, order[folder->wants++ % 3]);
	return folder->file ? file_with(folder->file) : -ENOENT;
}

/* What is said of the debug file, when one address is asked for. */
static uint32_t ask_kernel(struct debug_folder *folder, uint64_t address)
{
	static const char text[] = "81000000 T _stext\n81000000 T first\n82000000 T _etext\n"
				   "c0001000 t do_it\t[mod]\n";
	static const char note[] = "\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\x01\x23\xab\xcd";
	struct elf_module_options options = {.want = want_vmlinux, .userdata = folder};
	struct elf_modules modules = {0};
	int kallsyms = file_with(text), notes = memfd_create("notes", MFD_CLOEXEC);
	struct names a;

	assert_int_equal(write(notes, note, sizeof(note) - 1), sizeof(note) - 1);
	assert_int_equal(names_init(&a, &address, 1), 0);
	assert_int_equal(kernel_resolve(&modules, &a, kallsyms, notes, &address, 1, &options), 0);
	assert_string_equal(name_of(&a, 0), address > 0xc0000000 ? "do_it [mod]" : "first");
	assert_string_equal(a.head.build_id, "0123abcd");
	uint32_t flags = a.head.flags;
	names_free(&a);
	elf_modules_free(&modules);
	close(kallsyms);
	close(notes);
	return flags;
}

static void a_debug_file_of_the_kernel_is_read_for_its_own_code_only(void **state)
{
	struct debug_folder none = {0}, bad = {.file = "no ELF file"};

	assert_int_equal(ask_kernel(&none, 0x81000010), SYMBOLIZER_LACKS_KERNEL);
	assert_int_equal(none.wants, 3);
	assert_int_equal(ask_kernel(&bad, 0x81000010), SYMBOLIZER_LACKS_KERNEL);
	assert_int_equal(bad.wants, 3);
	/* For code of others it is not looked for: nobody knows whether there is one. */
	assert_int_equal(ask_kernel(&none, 0xc0001010), 0);
	assert_int_equal(ask_kernel(&bad, 0xc0001010), 0);
	assert_int_equal(none.wants + bad.wants, 6);
}

static void later_lines_of_a_perf_map_win(void **state)
{
	static const char text[] = "1000 100 old function\n"
				   "1080 10 replaced\n"
				   "zzzz 10 nonsense\n"
				   "2000\n"
				   "2000 10\n"
				   "ffffffffffffff00 ffff beyond the end\n"
				   "1ffffffffffffffff 10 too large\n"
				   "3000 0 empty\n"
				   "1080 8 new function\n"
				   "4000 10 _ZN3foo3barEv\n"
				   "0x0000000000004800 0x0000000000000010 int J.fib(int)\n"
				   "0x 0x10 no digits\n"
				   "5000 20 no newline";
	static const uint64_t addresses[] = {0xfff, 0x1000, 0x1080, 0x1088, 0x10ff, 0x1100, 0x2000,
		0x3000, 0x4000, 0x480f, 0x501f};
	static const char *const names[] = {"", "old function", "new function", "replaced",
		"old function", "", "", "", "foo::bar", "int J.fib(int)", "no newline"};

	EXPECT(perfmap_resolve, text, addresses, names);
}

static void long_lines_are_cut(void **state)
{
	static const uint64_t addresses[] = {0x1000, 0x2000};
	size_t size = 200000;
	char *text = malloc(size + 64);
	struct names a;

	assert_non_null(text);
	strcpy(text, "1000 10 ");
	memset(text + 8, 'x', size);
	strcpy(text + 8 + size, "\n2000 10 next\n");
	int fd = file_with(text);

	assert_int_equal(names_init(&a, addresses, 2), 0);
	assert_int_equal(perfmap_resolve(&a, fd, addresses, 2), 0);
	assert_true(strlen(name_of(&a, 0)) > 10000);
	assert_true(strlen(name_of(&a, 0)) < SYMBOLIZER_MAX_NAME);
	assert_string_equal(name_of(&a, 1), "next");
	names_free(&a);
	close(fd);
	free(text);
}

static void names_are_demangled(void **state)
{
	static const char *const cases[][2] = {
		{"_ZN5outer13burn_templateIlEEvT_", "outer::burn_template<long>"},
		{"_ZNK12_GLOBAL__N_16Burner6memberEi", "(anonymous namespace)::Burner::member"},
		{"_ZN3foo3barEv.isra.0.cold", "foo::bar"},
		{"_ZN3foo3barEv.llvm.1234567", "foo::bar"},
		{"_ZL3barv.__uniq.123456.llvm.78", "bar"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_RNvC6_123foo3bar", "123foo::bar"},
		{"_D3std5ascii7isAlphaFwZb", "std.ascii.isAlpha"},
		{"_D3foo__T3barTiZ3bazFNaPFiZvZi", "foo.bar!(int).baz"},
		{"plain.constprop.0", "plain"},
		{"plain.part.12.cold", "plain"},
		/* These are not mangled, and not clones. */
		{"main", NULL},
		{"main.main", NULL},
		{"_Dmain", NULL},
		{"$s4main3fooyyF", NULL}, /* Swift */
		{"golang.org/x/net/http2.(*Framer).ReadFrame", NULL},
		{"foo.colder", NULL},
		{"foo.cold.bar", NULL},
		{"_Znonsense", NULL},
		{"_Z", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct demangled name;
		bool other = demangle(&name, cases[i][0]);

		assert_int_equal(other, cases[i][1] != NULL);
		if (other)
			assert_string_equal(name.text, cases[i][1]);
		demangled_free(&name);
	}
}

static void whole_names_have_parameters(void **state)
{
	static const char *const cases[][2] = {
		{"_ZN5outer13burn_templateIlEEvT_", "void outer::burn_template<long>(long)"},
		{"_ZNK12_GLOBAL__N_16Burner6memberEi",
			"(anonymous namespace)::Burner::member(int) const"},
		{"_ZN3foo3barEv.isra.0.cold", "foo::bar() [clone .isra.0] [clone .cold]"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE.llvm.12",
			"core::fmt::Write::write_fmt"},
		{"_D3std5ascii7isAlphaFwZb", "std.ascii.isAlpha(dchar)"},
		{"main", NULL},
		{"_Znonsense", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct demangled name;
		bool other = demangle_whole(&name, cases[i][0]);

		assert_int_equal(other, cases[i][1] != NULL);
		if (other)
			assert_string_equal(name.text, cases[i][1]);
		demangled_free(&name);
	}
}

static double cpu_seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void expect_cut(const char *raw)
{
	struct demangled name;
	double before = cpu_seconds();

	assert_true(demangle_whole(&name, raw));
	assert_int_equal(name.length, SYMBOLIZER_MAX_NAME - 1);
	demangled_free(&name);
	assert_true(cpu_seconds() - before < 5);
}

/* Names whose arguments are each made of the one before, twice: a gigabyte and more. */
static void names_that_explode_are_cut(void **state)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char raw[1024] = "_Z1f1aIiE"; /* f(a<int>) */
	size_t n = strlen(raw), before, at;

	for (size_t i = 0; i < 36; i++) {
		char digit = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

		n += (size_t)snprintf(raw + n, sizeof(raw) - n, "S_IS%c_S%c_E", digit, digit);
	}
	expect_cut(raw);
	strcpy(raw, "_RINvC1a1fTaaE"); /* a::f::<(i8, i8)>; references are to bytes behind _R */
	n = strlen(raw);
	for (size_t i = 0, last = 8; i < 36; i++, last = before - 2) {
		before = n;
		at = last - 1;
		n += (size_t)snprintf(raw + n, sizeof(raw) - n, "TB%1$c%2$c_B%1$c%2$c_E",
			digits[at / 62], digits[at % 62]);
	}
	strcat(raw, "E");
	expect_cut(raw);
}

/* Nor is there a name whose suffixes take long: they are looked at once. */
static void many_suffixes_are_no_work(void **state)
{
	char *raw = calloc(1, SYMBOLIZER_MAX_NAME);
	double before = cpu_seconds();
	struct demangled name;
	size_t n = 0;

	assert_non_null(raw);
	n += (size_t)sprintf(raw, "_Zq");
	while (n + 16 < SYMBOLIZER_MAX_NAME)
		n += (size_t)sprintf(raw + n, ".cold");
	strcpy(raw + n, "x");
	for (unsigned i = 0; i < 50; i++)
		assert_false(demangle(&name, raw));
	assert_true(cpu_seconds() - before < 5);
	free(raw);
}

static void expect_name(const struct names *a, size_t at, const char *name)
{
	assert_int_equal(a->addresses[at].count, name != NULL);
	if (name)
		assert_string_equal(
			a->strings + a->functions[a->lines[a->addresses[at].first].function].name,
			name);
}

/* Raw symbols of profiles, which anybody may have written. */
static void raw_symbols_get_names(void **state)
{
	static const char texts[] = "_Z1fi\0main\0_Z1fi@plt\0@plt\0_Z1g";
	/* The second begins within a text, the last is outside. */
	static const uint64_t offsets[] = {0, 1, 6, 11, 21, 26, sizeof(texts), UINT64_MAX};
	size_t n = sizeof(offsets) / sizeof(*offsets);
	int fd = memfd_create("texts", MFD_CLOEXEC);

	assert_int_equal(write(fd, texts, sizeof(texts) - 1), sizeof(texts) - 1);
	for (int whole = 0; whole < 2; whole++) {
		struct names a;

		assert_int_equal(names_init(&a, offsets, n), 0);
		assert_int_equal(raw_names_resolve(&a, fd, offsets, n, whole), 0);
		expect_name(&a, 0, whole ? "f(int)" : "f");
		expect_name(&a, 2, NULL);
		expect_name(&a, 3, whole ? "f(int)@plt" : "f@plt");
		expect_name(&a, 4, NULL);
		expect_name(&a, 5, "g");
		for (size_t i = 6; i < n; i++)
			expect_name(&a, i, NULL);
		names_free(&a);
	}
	assert_int_equal(ftruncate(fd, RAW_NAMES_MAX + 1), 0);
	struct names a;
	assert_int_equal(names_init(&a, offsets, n), 0);
	assert_int_equal(raw_names_resolve(&a, fd, offsets, n, true), -E2BIG);
	names_free(&a);
	close(fd);
}

/* Each type is a pair of the type before: a name of 200 bytes that stands for megabytes. */
static void exploding_names_are_cut(void **state)
{
	static const char raw[] =
		"_Z1fI1XIiiES0_IS1_S1_ES0_IS2_S2_ES0_IS3_S3_ES0_IS4_S4_ES0_IS5_S5_E"
		"S0_IS6_S6_ES0_IS7_S7_ES0_IS8_S8_ES0_IS9_S9_ES0_ISA_SA_ES0_ISB_SB_E"
		"S0_ISC_SC_ES0_ISD_SD_ES0_ISE_SE_ES0_ISF_SF_EEvv";
	struct demangled name;

	assert_true(demangle(&name, raw));
	assert_true(name.length > 10000);
	assert_true(name.length < SYMBOLIZER_MAX_NAME);
	demangled_free(&name);
}

static void expect_first_at(const struct nearest *s, uint64_t start)
{
	size_t i = 0;

	while (i < s->n && s->addresses[i] < start)
		i++;
	assert_int_equal(nearest_index(s, start), i);
}

/* However far apart they lie: some at one place, alone, and at both ends. */
static void addresses_are_found(void **state)
{
	static const uint64_t addresses[] = {0, 1, 1, 2, 7, 4096, 4097, 1ULL << 32,
		(1ULL << 32) + 1, UINT64_MAX - 1, UINT64_MAX - 1};
	struct nearest search;

	for (size_t from = 0; from < 11; from++) {
		for (size_t n = 0; n <= 11 - from; n++) {
			assert_int_equal(nearest_init(&search, addresses + from, n), 0);
			for (size_t i = 0; i < 11; i++) {
				expect_first_at(&search, addresses[i] ? addresses[i] - 1 : 0);
				expect_first_at(&search, addresses[i]);
				expect_first_at(&search, addresses[i] + 1);
			}
			nearest_free(&search);
		}
	}
}

static void innermost_symbol_wins(void **state)
{
	static const uint64_t addresses[] = {
		5, 15, 25, 45, 55, 65, 75, 95, 105, 115, 125, 135, 145};
	static const char *const names[] = {"outer", "inner", "outer", "outer", NULL, "asm", NULL,
		NULL, "stubs", "stub", "sized stub", "stubs", NULL};
	static const struct nearest_symbol symbols[] = {
		{60, 60, 70, 0, "asm", false}, /* reaches to 70 */
		{0, 50, 100, 0, "worse", false},
		{0, 50, 100, 9, "outer", false},
		{10, 20, 100, 0, "inner", false},
		{30, 30, 100, 0, "label in outer", false},
		{80, 80, 100, 0, "hidden by the next", false},
		{90, 92, 100, 0, "sized, and over", false},
		{100, 140, 200, 0, "stubs", true},
		{110, 110, 200, 0, "stub", false},
		{120, 130, 200, 0, "sized stub", false},
	};
	struct nearest_symbol found[13];
	struct nearest search;

	assert_int_equal(nearest_init(&search, addresses, 13), 0);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++)
		assert_int_equal(nearest_add(&search, &symbols[i]), 0);
	nearest_finish(&search, found);
	for (size_t i = 0; i < 13; i++) {
		if (names[i])
			assert_string_equal(found[i].tag, names[i]);
		else
			assert_null(found[i].tag);
	}
	nearest_free(&search);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kallsyms_is_sorted_and_bounded),
		cmocka_unit_test(hidden_kallsyms_are_refused),
		cmocka_unit_test(kallsyms_says_where_the_kernel_lies),
		cmocka_unit_test(a_debug_file_of_the_kernel_is_read_for_its_own_code_only),
		cmocka_unit_test(later_lines_of_a_perf_map_win),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(names_are_demangled),
		cmocka_unit_test(whole_names_have_parameters),
		cmocka_unit_test(names_that_explode_are_cut),
		cmocka_unit_test(many_suffixes_are_no_work),
		cmocka_unit_test(raw_symbols_get_names),
		cmocka_unit_test(exploding_names_are_cut),
		cmocka_unit_test(addresses_are_found),
		cmocka_unit_test(innermost_symbol_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
