// SPDX-License-Identifier: MIT
/* Where heap probes go in real files, held against what nm and objdump say of them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sites/x86_64.h"
#include "sites_fixture.h"

#define LIBRARY(name) "/usr/lib/x86_64-linux-gnu/" name

static const struct heap_site *site_of(const char *name)
{
	for (uint32_t i = 0; i < found.n_sites; i++)
		if (!strcmp(found.sites[i].name, name))
			return &found.sites[i];
	return NULL;
}

/* ---- what the tools say --------------------------------------------------------------------- */

/* In the code of these files, addresses are offsets but for a constant. */
static uint64_t code_distance(const char *path)
{
	FILE *f = run("readelf -lW %s", path, 0, 0);
	char line[512];
	uint64_t offset, address, distance = UINT64_MAX;

	while (fgets(line, sizeof(line), f))
		if (strstr(line, "R E") &&
			sscanf(line, " LOAD %" SCNx64 " %" SCNx64, &offset, &address) == 2)
			distance = address - offset;
	assert_int_equal(pclose(f), 0);
	assert_true(distance != UINT64_MAX);
	return distance;
}

/* That there are symbols of these names at these addresses. */
static void expect_symbols(const char *path, uint64_t distance)
{
	FILE *f = run("{ nm -D %1$s; nm %1$s; } 2>/dev/null", path, 0, 0);
	bool seen[HEAP_MAX_SITES] = {false};
	char line[1024], name[512], type;
	uint64_t at;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %c %511[^@\n]", &at, &type, name) != 3)
			continue;
		for (uint32_t i = 0; i < found.n_sites; i++)
			seen[i] |= at == found.sites[i].entry + distance &&
				   !strcmp(name, found.sites[i].name);
	}
	pclose(f);
	for (uint32_t i = 0; i < found.n_sites; i++)
		if (!seen[i])
			fail_msg("%s is elsewhere in %s", found.sites[i].name, path);
}

static bool is_emulated(const char *mnemonic, const char *operands)
{
	if (!strcmp(mnemonic, "call") || !strcmp(mnemonic, "push") || *mnemonic == 'j')
		return *operands != '*' && *operands != '$';
	return !strcmp(mnemonic, "nop") && !*operands;
}

/* That the code from the entry to the probe is straight, and what is there is emulated. */
static void expect_straight(const char *path, const struct heap_site *site, uint64_t distance)
{
	uint64_t probe = site->probe + distance, at = 0, last = 0;
	FILE *f = run("objdump -d --no-show-raw-insn --start-address=%2$" PRIu64
		      " --stop-address=%3$" PRIu64 " %1$s",
		path, site->entry + distance, probe + 16);
	char line[512], mnemonic[64], operands[256];

	while (last != probe && fgets(line, sizeof(line), f)) {
		*operands = '\0';
		if (sscanf(line, " %" SCNx64 ": %63s %255[^\n]", &at, mnemonic, operands) < 2)
			continue;
		last = at;
		if (at < probe)
			assert_true(*mnemonic != 'j' && strcmp(mnemonic, "ret") != 0 &&
				    strcmp(mnemonic, "call") != 0);
		else
			assert_int_equal(is_emulated(mnemonic, operands), site->emulated);
	}
	pclose(f);
	assert_int_equal(last, probe);
}

static void check_sites(const char *path, enum heap_allocator allocator)
{
	uint64_t distance = code_distance(path);

	assert_int_equal(found.allocator, allocator);
	assert_false(found.incomplete);
	assert_false(found.no_symbols);
	assert_true(found.n_sites > 0);
	expect_symbols(path, distance);
	for (uint32_t i = 0; i < found.n_sites; i++) {
		const struct heap_site *site = &found.sites[i];

		assert_true(!i || site->entry > site[-1].entry);
		expect_straight(path, site, distance);
	}
}

/* ---- allocators ------------------------------------------------------------------------------ */

struct expected {
	const char *name;
	enum heap_function function;
};

static void expect_functions(const struct expected *e)
{
	for (; e->name; e++) {
		const struct heap_site *site = site_of(e->name);

		if (!site)
			fail_msg("%s is no site", e->name);
		assert_int_equal(site->function, e->function);
	}
}

static const struct expected standard[] = {
	{"malloc", HEAP_MALLOC},
	{"calloc", HEAP_CALLOC},
	{"realloc", HEAP_REALLOC},
	{"free", HEAP_FREE},
	{"posix_memalign", HEAP_POSIX_MEMALIGN},
	{"aligned_alloc", HEAP_ALIGNED},
	{NULL, 0},
};

static void count_emulated(uint32_t wanted)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < found.n_sites; i++)
		n += found.sites[i].emulated;
	assert_int_equal(n, wanted);
}

static void glibc(void **state)
{
	const char *path = LIBRARY("libc.so.6");

	find_in_path(path);
	check_sites(path, HEAP_GLIBC);
	expect_functions(standard);
	assert_non_null(site_of("valloc"));
	assert_non_null(site_of("pvalloc"));
	/* One place with several names; and what ends in a jump to realloc. */
	assert_null(site_of("cfree"));
	assert_null(site_of("memalign"));
	assert_null(site_of("reallocarray"));
	assert_int_equal(found.n_sites, 8);
	count_emulated(8);
	assert_true(site_of("free")->probe > site_of("free")->entry);
}

static void musl(void **state)
{
	const char *path = "/lib/ld-musl-x86_64.so.1";

	find_in_path(path);
	check_sites(path, HEAP_MUSL);
	expect_functions(standard);
	/* memalign and valloc jump to others. */
	assert_int_equal(found.n_sites, 6);
	count_emulated(6);
}

static void jemalloc(void **state)
{
	static const struct expected more[] = {
		{"mallocx", HEAP_MALLOC},
		{"rallocx", HEAP_REALLOC},
		{"dallocx", HEAP_FREE},
		{"sdallocx", HEAP_FREE},
		{"memalign", HEAP_ALIGNED},
		{"_Znwm", HEAP_MALLOC},
		{"_ZnwmRKSt9nothrow_t", HEAP_MALLOC},
		{"_ZdlPvm", HEAP_FREE},
		{NULL, 0},
	};
	const char *path = LIBRARY("libjemalloc.so.2");

	find_in_path(path);
	check_sites(path, HEAP_JEMALLOC);
	expect_functions(standard);
	expect_functions(more);
	/* They jump to _Znwm and to free, and call aligned_alloc. */
	assert_null(site_of("_Znam"));
	assert_null(site_of("_ZdlPv"));
	assert_null(site_of("_ZnwmSt11align_val_t"));
	assert_null(site_of("nallocx"));
	count_emulated(found.n_sites);
	assert_true(site_of("_Znwm")->throws);
	assert_false(site_of("_ZnwmRKSt9nothrow_t")->throws);
	assert_false(site_of("malloc")->throws);
	assert_false(site_of("_ZdlPvm")->throws);
}

static void tcmalloc(void **state)
{
	static const char *const paths[] = {
		LIBRARY("libtcmalloc.so.4"), LIBRARY("libtcmalloc_minimal.so.4")};
	static const struct expected more[] = {
		{"tc_new", HEAP_MALLOC},
		{"tc_new_aligned", HEAP_MALLOC},
		{"tc_free_sized", HEAP_FREE},
		{"tc_delete_nothrow", HEAP_FREE},
		{NULL, 0},
	};

	for (size_t i = 0; i < 2; i++) {
		find_in_path(paths[i]);
		check_sites(paths[i], HEAP_TCMALLOC);
		expect_functions(standard);
		expect_functions(more);
		count_emulated(found.n_sites);
		assert_true(site_of("tc_new")->throws && site_of("tc_new_aligned")->throws);
		assert_false(site_of("tc_new_nothrow")->throws || site_of("malloc")->throws);
	}
}

static void mimalloc(void **state)
{
	static const struct expected more[] = {
		{"malloc", HEAP_MALLOC},
		{"calloc", HEAP_CALLOC},
		{"realloc", HEAP_REALLOC},
		{"free", HEAP_FREE},
		{"mi_posix_memalign", HEAP_POSIX_MEMALIGN},
		{"mi_zalloc", HEAP_MALLOC},
		{"mi_new", HEAP_MALLOC},
		{"mi_recalloc", HEAP_REALLOCARRAY},
		{"mi_calloc_aligned", HEAP_CALLOC},
		{NULL, 0},
	};
	const char *path = LIBRARY("libmimalloc.so.2.0");

	find_in_path(path);
	check_sites(path, HEAP_MIMALLOC);
	expect_functions(more);
	assert_null(site_of("posix_memalign"));
	assert_null(site_of("mi_free_size"));
	count_emulated(found.n_sites);
	/* The size has moved to rsi (4) when the first jump comes. */
	assert_int_equal(site_of("malloc")->registers[0], 4);
	assert_int_equal(site_of("malloc")->registers[1], HEAP_NO_REGISTER);
}

static void programs_that_are_linked_statically(void **state)
{
	find_in_path(beside("sites-glibc"));
	check_sites(beside("sites-glibc"), HEAP_GLIBC);
	expect_functions(standard);
	find_in_path(beside("sites-musl"));
	check_sites(beside("sites-musl"), HEAP_MUSL);
	assert_non_null(site_of("malloc"));
	assert_non_null(site_of("free"));
	/* Its operators call malloc and free, or each other. */
	find_in_path(beside("sites-cxx"));
	check_sites(beside("sites-cxx"), HEAP_GLIBC);
	expect_functions(standard);
	assert_null(site_of("_Znam"));
	assert_null(site_of("_Znwm"));
	assert_null(site_of("_ZdlPv"));
	find_in_path(beside("sites-stripped"));
	assert_int_equal(found.n_sites, 0);
	assert_true(found.no_symbols);
}

/* The loader's own, the operators of libstdc++, and who only uses an allocator. */
static void others_have_none(void **state)
{
	static const char *const paths[] = {LIBRARY("ld-linux-x86-64.so.2"),
		LIBRARY("libstdc++.so.6"), LIBRARY("libm.so.6"), "/usr/bin/python3",
		"/proc/self/exe"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		find_in_path(paths[i]);
		assert_int_equal(found.n_sites, 0);
		assert_int_equal(found.allocator, HEAP_UNKNOWN);
		assert_int_equal(found.n_probes, 0);
	}
	find_in_path(LIBRARY("libstdc++.so.6"));
	assert_false(found.no_symbols);
}

static void go_has_none(void **state)
{
	FILE *f = popen("readlink -f \"$(go env GOROOT)/bin/go\"", "r"); // NOLINT
	char path[4096];

	assert_non_null(f);
	assert_non_null(fgets(path, sizeof(path), f));
	assert_int_equal(pclose(f), 0);
	path[strcspn(path, "\n")] = '\0';
	find_in_path(path);
	assert_int_equal(found.n_sites, 0);
	assert_int_equal(found.n_probes, 0);
}

static void other_files(void **state)
{
	_cleanup_close_ int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, "text", 4), 4);
	assert_int_equal(find_in(fd), -ENOEXEC);
}

/* ---- the beginning of a function ------------------------------------------------------------- */

struct start {
	const char *code;
	size_t size;
	enum heap_function function;
	bool possible, emulated;
	size_t probe;
	uint8_t registers[3];
};

#define NO HEAP_NO_REGISTER

static void starts_of_functions(void **state)
{
	static const struct start starts[] = {
		/* mov $1, %edi; push %rbx: the argument is lost */
		{"\xbf\1\0\0\0\x53\xc3", 7, HEAP_FREE, true, false, 0, {5, NO, NO}},
		/* mov %rdi, %rax; xor %edi, %edi; jmp */
		{"\x48\x89\xf8\x31\xff\xe9\0\1\0\0", 10, HEAP_FREE, true, true, 5, {0, NO, NO}},
		/* mov %edi, %eax is no copy */
		{"\x89\xf8\x31\xff\xe9\0\1\0\0", 9, HEAP_FREE, true, false, 0, {5, NO, NO}},
		/* sub $8, %rsp; push %rbx: too late for a return probe, but not for free */
		{"\x48\x83\xec\x08\x53\xc3", 6, HEAP_MALLOC, true, false, 0, {5, NO, NO}},
		{"\x48\x83\xec\x08\x53\xc3", 6, HEAP_FREE, true, true, 4, {5, NO, NO}},
		/* test %rdi, %rdi; jne back to test: not between */
		{"\x48\x85\xff\x75\xfb\xc3", 6, HEAP_FREE, true, true, 3, {5, NO, NO}},
		/* mov %rdi, %rax; test %rdi, %rdi; je; jmp back to test: a call would come twice */
		{"\x48\x89\xf8\x48\x85\xff\x74\x02\xeb\xf9\xc3", 11, HEAP_FREE, true, false, 0,
			{5, NO, NO}},
		/* the same, behind what cannot be decoded */
		{"\x48\x89\xf8\x48\x85\xff\x74\x03\x06\xeb\xf8\xc3", 12, HEAP_FREE, true, false, 0,
			{5, NO, NO}},
		/* endbr64; ret */
		{"\xf3\x0f\x1e\xfa\xc3", 5, HEAP_FREE, true, false, 0, {5, NO, NO}},
		/* endbr64; jmp *(%rip) */
		{"\xf3\x0f\x1e\xfa\xff\x25\0\0\0\0", 10, HEAP_FREE, true, false, 0, {5, NO, NO}},
		/* vzeroupper; push: no probe can be there */
		{"\xc5\xf8\x77\x53\xc3", 5, HEAP_FREE, true, true, 3, {5, NO, NO}},
		{"\xc5\xf8\x77\xc3", 4, HEAP_FREE, false, false, 0, {5, NO, NO}},
		{"\x06", 1, HEAP_FREE, false, false, 0, {5, NO, NO}},
		/* xchg %rdi, %rsi; jmp */
		{"\x48\x87\xfe\xe9\0\1\0\0", 8, HEAP_ALIGNED, true, false, 0, {NO, 4, NO}},
		/* mov %rdx, %rcx; mov %rsi, %rdx; mov %rdi, %rsi; mov (%rax), %rdi; jmp */
		{"\x48\x89\xd1\x48\x89\xf2\x48\x89\xfe\x48\x8b\x38\xe9\0\1\0\0", 17,
			HEAP_REALLOCARRAY, true, true, 12, {4, 1, 2}},
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		const struct start *s = &starts[i];
		struct heap_site site = {.function = (uint8_t)s->function};

		if (x86_64_find_probe((const uint8_t *)s->code, s->size, &site) != s->possible)
			fail_msg("start %zu", i);
		if (s->possible && (site.emulated != s->emulated || site.probe != s->probe ||
					   memcmp(site.registers, s->registers, 3) != 0))
			fail_msg("start %zu: %" PRIu64, i, site.probe);
	}
}

/* ---- operands -------------------------------------------------------------------------------- */

struct operand {
	const char *text;
	bool good;
	struct heap_argument argument;
	const char *symbol;
};

#define MEMORY(base_, index_, scale_, value_)                                               \
	{                                                                                   \
		.kind = HEAP_MEMORY, .base = (base_), .index = (index_), .scale = (scale_), \
		.value = (value_)                                                           \
	}

static void operands(void **state)
{
	static const struct operand all[] = {
		{"$0", true, {.base = NO, .index = NO, .scale = 1}, NULL},
		{"$-1", true, {.base = NO, .index = NO, .scale = 1, .value = -1}, NULL},
		{"$0x7f", true, {.base = NO, .index = NO, .scale = 1, .value = 127}, NULL},
		{"%rdi", true, {HEAP_REGISTER, .base = 5, .index = NO, .scale = 1}, NULL},
		{"%edx", true, {HEAP_REGISTER, .base = 1, .index = NO, .scale = 1}, NULL},
		{"%cx", true, {HEAP_REGISTER, .base = 2, .index = NO, .scale = 1}, NULL},
		{"%sil", true, {HEAP_REGISTER, .base = 4, .index = NO, .scale = 1}, NULL},
		{"%r15b", true, {HEAP_REGISTER, .base = 15, .index = NO, .scale = 1}, NULL},
		{"(%rsp)", true, MEMORY(7, NO, 1, 0), NULL},
		{"-8(%rbp)", true, MEMORY(6, NO, 1, -8), NULL},
		{"0x10(%r8,%r9)", true, MEMORY(8, 9, 1, 16), NULL},
		{"(%rax,%rcx,8)", true, MEMORY(0, 2, 8, 0), NULL},
		{"16(,%rbx,4)", true, MEMORY(NO, 3, 4, 16), NULL},
		{"name(%rip)", true, MEMORY(HEAP_ARGUMENT_IP, NO, 1, 0), "name"},
		{"a.b_1+8(%rip)", true, MEMORY(HEAP_ARGUMENT_IP, NO, 1, 8), "a.b_1"},
		{"name-8(%rip)", true, MEMORY(HEAP_ARGUMENT_IP, NO, 1, -8), "name"},
		{"%ah", false, {0}, NULL},
		{"%rip", false, {0}, NULL},
		{"%xmm0", false, {0}, NULL},
		{"%", false, {0}, NULL},
		{"%rdi,", false, {0}, NULL},
		{"rdi", false, {0}, NULL},
		{"$", false, {0}, NULL},
		{"$99999999999999999999", false, {0}, NULL},
		{"()", false, {0}, NULL},
		{"8", false, {0}, NULL},
		{"8()", false, {0}, NULL},
		{"8(%eax)", false, {0}, NULL},
		{"8(%rax", false, {0}, NULL},
		{"8(%rax,%rbx,3)", false, {0}, NULL},
		{"8(%rax,%rip)", false, {0}, NULL},
		{"8(%rip)", false, {0}, NULL},
		{"name(%rax)", false, {0}, NULL},
		{"name(%rip,%rax)", false, {0}, NULL},
		{"name", false, {0}, NULL},
		{"%fs:8", false, {0}, NULL},
		{"", false, {0}, NULL},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct heap_argument a = {0};
		const char *symbol = NULL;
		size_t length = 0;
		bool good = x86_64_parse_operand(
			all[i].text, strlen(all[i].text), &a, &symbol, &length);

		if (good != all[i].good)
			fail_msg("%s", all[i].text);
		if (!good)
			continue;
		assert_memory_equal(&a, &all[i].argument, sizeof(a));
		assert_int_equal(!!symbol, !!all[i].symbol);
		if (symbol) {
			assert_int_equal(length, strlen(all[i].symbol));
			assert_memory_equal(symbol, all[i].symbol, length);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(glibc),
		cmocka_unit_test(musl),
		cmocka_unit_test(jemalloc),
		cmocka_unit_test(tcmalloc),
		cmocka_unit_test(mimalloc),
		cmocka_unit_test(programs_that_are_linked_statically),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(go_has_none),
		cmocka_unit_test(other_files),
		cmocka_unit_test(starts_of_functions),
		cmocka_unit_test(operands),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
