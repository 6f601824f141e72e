// SPDX-License-Identifier: MIT
/* USDT probes in real files, held against what readelf and the loader say of them. */
#include <dlfcn.h>
#include <gelf.h>
#include <inttypes.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sites_fixture.h"

#define NO HEAP_NO_REGISTER

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
		cmocka_unit_test(probes_are_readelfs),
		cmocka_unit_test(arguments_of_probes),
		cmocka_unit_test(probes_of_a_moved_file),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
