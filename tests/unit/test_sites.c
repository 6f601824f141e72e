// SPDX-License-Identifier: MIT
/* Where heap probes go in real files, held against what nm, objdump and the loader say of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libgen.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sites/sites.h"
#include "sites/x86_64.h"
#include "symbolizer/elf_file.h"
#include "util/cleanup.h"

#define LIBRARY(name) "/usr/lib/x86_64-linux-gnu/" name

static struct sites_found found;

static int find_in(int fd)
{
	struct elf_file file;
	int r;

	assert_true(fd >= 0);
	r = elf_file_open(&file, fd);
	if (!r)
		r = sites_find(&file, &found);
	elf_file_close(&file);
	return r;
}

static void find_in_path(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(find_in(fd), 0);
}

/* A file that was built beside this program. */
static const char *beside(const char *name)
{
	static char path[4096];
	char self[4000] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	return path;
}

static const struct heap_site *site_of(const char *name)
{
	for (uint32_t i = 0; i < found.n_sites; i++)
		if (!strcmp(found.sites[i].name, name))
			return &found.sites[i];
	return NULL;
}

/* ---- what the tools say --------------------------------------------------------------------- */

static FILE *run(const char *format, const char *path, uint64_t start, uint64_t end)
{
	char command[512];
	FILE *f;

	snprintf(command, sizeof(command), format, path, start, end);
	f = popen(command, "r"); // NOLINT
	assert_non_null(f);
	return f;
}

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

/* ---- USDT probes ------------------------------------------------------------------------------
 */

/* What the kernel makes of an address: the offset that it is mapped from, and how. */
static uint64_t mapped_from(uint64_t address, char rights[5])
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t start, end, offset, result = UINT64_MAX, inode;
	char line[4200];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64, &start,
			    &end, rights, &offset, &inode) == 5 &&
			address >= start && address < end && inode) {
			result = address - start + offset;
			break;
		}
	fclose(f);
	return result;
}

static void *load_probes(void)
{
	void *library = dlopen(beside("sites_probes.so"), RTLD_NOW);

	if (!library)
		fail_msg("%s", dlerror());
	return library;
}

static uint64_t load_address(void *library)
{
	struct link_map *map;

	assert_int_equal(dlinfo(library, RTLD_DI_LINKMAP, (void *)&map), 0);
	return map->l_addr;
}

/* Each of readelf's probes that is ours is found, in its place. */
static void probes_are_readelfs(void **state)
{
	void *library = load_probes();
	uint64_t base = load_address(library), location, semaphore;
	FILE *f = run("readelf -nW %s", beside("sites_probes.so"), 0, 0);
	char line[1024], name[64] = "", rights[5];
	bool ours = false;
	unsigned n = 0;

	find_in_path(beside("sites_probes.so"));
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "Provider:"))
			ours = strstr(line, " otel_memory\n");
		sscanf(line, " Name: %63s", name);
		if (!ours || !strcmp(name, "other") ||
			sscanf(line,
				" Location: 0x%" SCNx64 ", Base: %*[^,], Semaphore: 0x%" SCNx64,
				&location, &semaphore) != 2)
			continue;
		for (uint32_t i = 0; i < found.n_probes; i++) {
			const struct heap_probe *p = &found.probes[i];

			if (p->flaw || p->offset != mapped_from(base + location, rights))
				continue;
			n++;
			assert_int_equal(rights[2], 'x');
			assert_int_equal(p->kind == HEAP_PROBE_ALLOC, !strcmp(name, "alloc"));
			assert_true(p->emulated);
			assert_int_equal(*(uint8_t *)(uintptr_t)(base + location), 0x90);
			if (!semaphore) {
				assert_int_equal(p->counter, 0);
				continue;
			}
			assert_int_equal(p->counter, mapped_from(base + semaphore, rights));
			assert_string_equal(rights, "rw-p");
		}
	}
	pclose(f);
	assert_int_equal(n, 7);
	dlclose(library);
}

/* The values of arguments are checked where compilers have no choice. */
static void arguments_of_probes(void **state)
{
	static const struct {
		enum heap_probe_kind kind;
		enum heap_probe_flaw flaw;
		struct heap_argument arguments[3];
	} wanted[] = {
		{HEAP_PROBE_ALLOC, 0,
			{{HEAP_REGISTER, 8, 0, 0, NO, 1, {0}, 0},
				{HEAP_CONSTANT, 8, 0, NO, NO, 1, {0}, 4096},
				{HEAP_MEMORY, 8, 0, 6, NO, 1, {0}, -16}}},
		{HEAP_PROBE_ALLOC, 0,
			{{HEAP_REGISTER, 4, 1, 12, NO, 1, {0}, 0},
				{HEAP_CONSTANT, 8, 1, NO, NO, 1, {0}, -5},
				{HEAP_MEMORY, 4, 0, 0, 3, 4, {0}, 8}}},
		{HEAP_PROBE_FREE, 0, {{HEAP_MEMORY, 4, 0, HEAP_ARGUMENT_IP, NO, 1, {0}, 0}}},
		{HEAP_PROBE_FREE, 0, {{HEAP_MEMORY, 8, 0, HEAP_ARGUMENT_IP, NO, 1, {0}, 0}}},
		{HEAP_PROBE_FREE, 0, {{HEAP_MEMORY, 8, 0, NO, 2, 8, {0}, 0}}},
		{HEAP_PROBE_FREE, HEAP_PROBE_ARGUMENTS, {{0}}}, /* nobody */
		{HEAP_PROBE_ALLOC, HEAP_PROBE_FEW, {{0}}},
		{HEAP_PROBE_FREE, HEAP_PROBE_ARGUMENTS, {{0}}},
		{HEAP_PROBE_FREE, HEAP_PROBE_FEW, {{0}}},
		{HEAP_PROBE_FREE, HEAP_PROBE_COUNTER, {{0}}}, /* the last but one has no place */
	};
	void *library = load_probes();
	char rights[5];
	uint64_t start = (uintptr_t)dlsym(library, "by_hand");
	uint64_t end = (uintptr_t)dlsym(library, "by_hand_end");
	uint64_t offset = mapped_from(start, rights);
	uint64_t semaphore = (uintptr_t)dlsym(library, "otel_memory_free_semaphore");
	unsigned n = 0, lost = 0;

	find_in_path(beside("sites_probes.so"));
	assert_true(end - start < 64);
	for (uint32_t i = 0; i < found.n_probes; i++) {
		const struct heap_probe *p = &found.probes[i];
		struct heap_argument arguments[3];

		lost += p->flaw == HEAP_PROBE_PLACE;
		if (p->flaw == HEAP_PROBE_PLACE || p->offset < offset ||
			p->offset >= offset + (end - start))
			continue;
		memcpy(arguments, p->arguments, sizeof(arguments));
		if (n == 3)
			assert_int_equal(start + p->offset - offset + (uint64_t)arguments[0].value,
				semaphore);
		if (n == 2 || n == 3)
			arguments[0].value = 0;
		assert_int_equal(p->kind, wanted[n].kind);
		assert_int_equal(p->flaw, wanted[n].flaw);
		assert_memory_equal(arguments, wanted[n].arguments, sizeof(arguments));
		n++;
	}
	assert_int_equal(n, sizeof(wanted) / sizeof(*wanted));
	assert_int_equal(lost, 1);
	dlclose(library);
}

static int copy_of(const char *path)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("copy", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(fd, buffer, (size_t)n), n);
	return fd;
}

/* Moves .stapsdt.base, as prelink did: notes stay as they were. */
static void move_base(int fd, uint64_t by)
{
	struct elf_file file;
	GElf_Ehdr header;
	Elf64_Shdr sh;
	off_t at;

	assert_int_equal(elf_file_open(&file, fd), 0);
	assert_non_null(gelf_getehdr(file.elf, &header));
	at = (off_t)(header.e_shoff +
		     elf_ndxscn(elf_file_section(&file, ".stapsdt.base")) * sizeof(sh));
	elf_file_close(&file);
	assert_int_equal(pread(fd, &sh, sizeof(sh), at), sizeof(sh));
	sh.sh_addr += by;
	assert_int_equal(pwrite(fd, &sh, sizeof(sh), at), sizeof(sh));
}

static void probes_of_a_moved_file(void **state)
{
	_cleanup_close_ int fd = copy_of(beside("sites_probes.so"));
	struct sites_found before;

	assert_int_equal(find_in(fd), 0);
	before = found;
	move_base(fd, 2);
	assert_int_equal(find_in(fd), 0);
	assert_int_equal(found.n_probes, before.n_probes);
	for (uint32_t i = 0; i < found.n_probes; i++) {
		if (found.probes[i].flaw)
			continue;
		assert_int_equal(found.probes[i].offset, before.probes[i].offset + 2);
		if (before.probes[i].counter)
			assert_int_equal(found.probes[i].counter, before.probes[i].counter + 2);
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
		cmocka_unit_test(probes_are_readelfs),
		cmocka_unit_test(arguments_of_probes),
		cmocka_unit_test(probes_of_a_moved_file),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
