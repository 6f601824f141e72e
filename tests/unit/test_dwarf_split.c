// SPDX-License-Identifier: MIT
/* Split DWARF that is compressed: a program whose one function is in a .dwo or .dwp file that can,
 * cannot, or cannot now be unpacked. */
#include "bytes_fixture.h"
#include "elf_fixture.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper/protocol.h"
#include "symbolizer/elf_module.h"
#include "util/cleanup.h"

#define ID	      0x1122334455667788ULL
#define BIG	      (4u << 20) /* what the split file needs, at least */
#define LITTLE_ROOM   (3u << 20) /* enough for the index and the program's strings */
#define ROOM	      (32u << 20)
#define NO_SUCH_THING 99 /* as a way to compress */
#define MAX_UNITS     4

enum state { MISSING, WHOLE, DAMAGED, UNSUPPORTED };

static void put_code(struct bytes *b, uint64_t at)
{
	put(b, at, 8);
	put(b, sizeof(elf_code), 4);
}

/* ---- DWARF -------------------------------------------------------------------------------- */

static void put_abbreviation(
	struct bytes *b, unsigned code, unsigned tag, bool has_children, unsigned name)
{
	put(b, code, 1);
	put(b, tag, 1);
	put(b, has_children, 1);
	put(b, name, 1);
	put(b, DW_FORM_string, 1);
	put(b, DW_AT_low_pc, 1);
	put(b, DW_FORM_addr, 1);
	put(b, DW_AT_high_pc, 1);
	put(b, DW_FORM_data4, 1);
	put(b, 0, 2);
}

static struct bytes unit_of(unsigned type, const char *name, uint64_t at)
{
	struct bytes b = {.n = 0};

	put(&b, 0, 4);
	put(&b, 5, 2);
	put(&b, type, 1);
	put(&b, 8, 1);
	put(&b, 0, 4);
	put(&b, ID, 8);
	put(&b, 1, 1);
	put_text(&b, name);
	put_code(&b, at);
	if (type == DW_UT_split_compile) {
		put(&b, 2, 1);
		put_text(&b, "found");
		put_code(&b, at);
		put(&b, 0, 1);
	}
	set_word(&b, 0, b.n - 4);
	return b;
}

static struct bytes abbreviations_of(unsigned type)
{
	struct bytes b = {.n = 0};

	if (type == DW_UT_skeleton) {
		put_abbreviation(&b, 1, DW_TAG_skeleton_unit, false, DW_AT_dwo_name);
	} else {
		put_abbreviation(&b, 1, DW_TAG_compile_unit, true, DW_AT_name);
		put_abbreviation(&b, 2, DW_TAG_subprogram, false, DW_AT_name);
	}
	put(&b, 0, 1);
	return b;
}

/* One unit, all of two sections. */
static struct bytes index_of(const struct bytes *info, const struct bytes *abbreviations)
{
	struct bytes b = {.n = 0};

	put(&b, 5, 4);
	put(&b, 2, 4); /* columns */
	put(&b, 1, 4); /* units */
	put(&b, 2, 4); /* slots */
	put(&b, ID, 8);
	put(&b, 0, 8);
	put(&b, 1, 4);
	put(&b, 0, 4);
	put(&b, DW_SECT_INFO, 4);
	put(&b, DW_SECT_ABBREV, 4);
	put(&b, 0, 8);
	put(&b, info->n, 4);
	put(&b, abbreviations->n, 4);
	return b;
}

/* ---- files -------------------------------------------------------------------------------- */

static char names[] = "\0.text\0.names\0.debug_info\0.debug_abbrev\0.debug_info.dwo\0"
		      ".debug_abbrev.dwo\0.debug_str.dwo\0.debug_cu_index\0.debug_str";

static GElf_Word name_at(const char *name)
{
	const char *p = names + 1;

	while (strcmp(p, name) != 0) {
		p += strlen(p) + 1;
		assert_true(p < names + sizeof(names));
	}
	return (GElf_Word)(p - names);
}

static Elf *begin(int fd)
{
	Elf *elf = elf_new(fd, ET_EXEC, 1);

	elf_add_section(elf, name_at(".names"), SHT_STRTAB, names, sizeof(names));
	return elf;
}

static Elf_Scn *add(Elf *elf, const char *name, void *bytes, size_t size)
{
	return elf_add_section(elf, name_at(name), SHT_PROGBITS, bytes, size);
}

static void compress(Elf_Scn *section, enum state state)
{
	uint8_t *bytes;
	Elf_Data *data;

	assert_int_equal(elf_compress(section, ELFCOMPRESS_ZLIB, ELF_CHF_FORCE), 1);
	data = elf_getdata(section, NULL);
	assert_non_null(data);
	bytes = data->d_buf;
	if (state == DAMAGED)
		bytes[data->d_size / 2] ^= 0xff;
	else if (state == UNSUPPORTED)
		bytes[0] = NO_SUCH_THING;
}

/* Units one after the other, which all have the same .dwo file; and strings, that are compressed.
 */
static int program(size_t units, size_t size)
{
	struct bytes info = {.n = 0}, abbreviations = abbreviations_of(DW_UT_skeleton);
	int fd = memfd_create("program", MFD_CLOEXEC);
	_cleanup_free_ char *strings = calloc(1, size);
	Elf *elf = begin(fd);
	Elf_Scn *text = add(elf, ".text", elf_code, sizeof(elf_code));
	Elf_Scn *section;

	assert_non_null(strings);
	for (size_t i = 0; i < units; i++) {
		struct bytes unit = unit_of(
			DW_UT_skeleton, "a.dwo", ELF_CODE + i * sizeof(elf_code));

		for (size_t k = 0; k < unit.n; k++)
			put(&info, unit.at[k], 1);
	}
	add(elf, ".debug_info", info.at, info.n);
	add(elf, ".debug_abbrev", abbreviations.at, abbreviations.n);
	section = add(elf, ".debug_str", strings, size);
	elf_add_segment(elf, text);
	compress(section, WHOLE);
	assert_true(elf_update(elf, ELF_C_WRITE) > 0);
	elf_end(elf);
	return fd;
}

static int split_file(bool is_package, enum state state)
{
	struct bytes info = unit_of(DW_UT_split_compile, "a.c", ELF_CODE);
	struct bytes abbreviations = abbreviations_of(DW_UT_split_compile);
	struct bytes index = index_of(&info, &abbreviations);
	int fd = state == MISSING ? -1 : memfd_create("split", MFD_CLOEXEC);
	_cleanup_free_ char *strings = calloc(1, BIG);
	Elf_Scn *section;
	Elf *elf;

	if (fd < 0)
		return -1;
	assert_non_null(strings);
	elf = begin(fd);
	add(elf, ".debug_info.dwo", info.at, info.n);
	add(elf, ".debug_abbrev.dwo", abbreviations.at, abbreviations.n);
	section = add(elf, ".debug_str.dwo", strings, BIG);
	if (is_package)
		add(elf, ".debug_cu_index", index.at, index.n);
	assert_true(elf_update(elf, ELF_C_NULL) > 0);
	compress(section, state);
	assert_true(elf_update(elf, ELF_C_WRITE) > 0);
	elf_end(elf);
	return fd;
}

/* ---- asking ------------------------------------------------------------------------------- */

struct bed {
	struct elf_modules modules;
	int program, package, alone;
	uint64_t inode; /* of the program, for whom it is known to */
	uint64_t room;
};

static int want(void *userdata, const char *name)
{
	const struct bed *bed = userdata;
	int fd = !strcmp(name, HELPER_PACKAGE) ? bed->package
		 : strstr(name, "a.dwo")       ? bed->alone
					       : -1;

	return fd >= 0 ? dup(fd) : -1;
}

static int scratch(void *userdata)
{
	const struct bed *bed = userdata;
	int fd = memfd_create("scratch", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)bed->room), 0);
	return fd;
}

static struct bed set_up(enum state package, enum state alone, uint64_t room)
{
	elf_version(EV_CURRENT);
	return (struct bed){
		.program = program(1, 1),
		.package = split_file(true, package),
		.alone = split_file(false, alone),
		.room = room,
	};
}

static void tear_down(struct bed *bed)
{
	elf_modules_free(&bed->modules);
	close_fd(bed->program);
	close_fd(bed->package);
	close_fd(bed->alone);
}

/* About each of n units. */
static void resolve(struct bed *bed, struct names *answer, size_t n, int error)
{
	uint64_t addresses[MAX_UNITS];
	struct elf_module_options options = {
		.virtual = true,
		.identity = {.inode = bed->inode},
		.heap_limit = 64 << 20,
		.want = want,
		.scratch = scratch,
		.userdata = bed,
	};

	for (size_t i = 0; i < n; i++)
		addresses[i] = ELF_CODE + i * sizeof(elf_code) + 4;
	assert_int_equal(names_init(answer, addresses, n), 0);
	assert_int_equal(
		elf_modules_resolve(&bed->modules, answer, bed->program, addresses, n, &options),
		error);
	assert_int_equal(!!(answer->head.flags & SYMBOLIZER_LACKS_ROOM), error == -ENOMEM);
}

/* The function's name must be there if all went well, and not otherwise. */
static void ask(struct bed *bed, int error, bool is_named, bool is_bad)
{
	struct names answer;

	resolve(bed, &answer, 1, error);
	assert_int_equal(!!(answer.head.flags & SYMBOLIZER_BAD_SPLIT), is_bad);
	if (!error)
		assert_int_equal(!!(answer.head.flags & SYMBOLIZER_LACKS_SPLIT), !is_named);
	assert_int_equal(answer.n_functions, is_named);
	if (is_named)
		assert_string_equal(answer.strings + answer.functions[0].name, "found");
	names_free(&answer);
}

static void expect(enum state package, enum state alone, bool is_named, bool is_bad)
{
	struct bed bed = set_up(package, alone, ROOM);

	ask(&bed, 0, is_named, is_bad);
	ask(&bed, 0, is_named, is_bad);
	/* What failed holds no room. */
	assert_true(is_named || bed.modules.scratch.used < BIG);
	tear_down(&bed);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void what_can_be_unpacked_has_names(void **state)
{
	expect(WHOLE, MISSING, true, false);
	expect(MISSING, WHOLE, true, false);
}

static void what_is_missing_is_not_broken(void **state)
{
	expect(MISSING, MISSING, false, false);
}

static void what_cannot_be_unpacked_is_told(void **state)
{
	expect(DAMAGED, MISSING, false, true);
	expect(UNSUPPORTED, MISSING, false, true);
	expect(MISSING, DAMAGED, false, true);
	expect(MISSING, UNSUPPORTED, false, true);
}

static void another_file_may_stand_in(void **state)
{
	expect(DAMAGED, WHOLE, true, false);
	expect(UNSUPPORTED, WHOLE, true, false);
}

/* An answer without an error could be kept: names would stay poor when there is room again. */
static void without_room_nothing_is_settled(void **state)
{
	static const enum state cases[][2] = {{WHOLE, MISSING}, {MISSING, WHOLE}, {WHOLE, WHOLE}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bed bed = set_up(cases[i][0], cases[i][1], LITTLE_ROOM);

		ask(&bed, -ENOMEM, false, false);
		ask(&bed, -ENOMEM, false, false);
		assert_int_equal(ftruncate(bed.modules.scratch.fd, ROOM), 0);
		bed.modules.scratch.size = ROOM;
		ask(&bed, 0, true, false);
		tear_down(&bed);
	}
}

/* The program's own sections take half of it; what was unpacked for one unit goes for another. */
static void room_is_shared_with_others(void **state)
{
	struct bed bed = set_up(MISSING, WHOLE, 6 * BIG);
	struct names answer;

	close_fd(bed.program);
	bed.program = program(MAX_UNITS, 3 * BIG);
	resolve(&bed, &answer, MAX_UNITS, 0);
	assert_int_equal(answer.addresses[0].count, 1);
	assert_true(bed.modules.scratch.used > 3 * BIG);
	names_free(&answer);
	tear_down(&bed);
}

/* Nothing is unpacked for that. */
static void who_asks_what_there_is_hears_of_room(void **state)
{
	struct bed bed = set_up(WHOLE, MISSING, LITTLE_ROOM);
	struct names answer;

	resolve(&bed, &answer, 0, -ENOMEM);
	names_free(&answer);
	assert_int_equal(ftruncate(bed.modules.scratch.fd, ROOM), 0);
	bed.modules.scratch.size = ROOM;
	resolve(&bed, &answer, 0, 0);
	names_free(&answer);
	assert_true(bed.modules.scratch.used < BIG);
	ask(&bed, 0, true, false);
	tear_down(&bed);
}

/* Its own sections take half, and the package the rest: there was room, but for the other file. */
static void another_file_gives_its_room_back(void **state)
{
	struct bed bed = set_up(WHOLE, MISSING, 6 * BIG);

	close_fd(bed.program);
	close_fd(bed.package);
	bed.program = program(1, 5 * BIG / 2);
	bed.package = -1;
	ask(&bed, 0, false, false);
	close_fd(bed.program);
	bed.program = program(1, 3 * BIG);
	bed.package = split_file(true, WHOLE);
	bed.inode = 1;
	ask(&bed, 0, true, false);
	assert_true(bed.modules.scratch.used < 5 * BIG); /* the other one is closed */
	tear_down(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_unpacked_has_names),
		cmocka_unit_test(what_is_missing_is_not_broken),
		cmocka_unit_test(what_cannot_be_unpacked_is_told),
		cmocka_unit_test(another_file_may_stand_in),
		cmocka_unit_test(without_room_nothing_is_settled),
		cmocka_unit_test(room_is_shared_with_others),
		cmocka_unit_test(who_asks_what_there_is_hears_of_room),
		cmocka_unit_test(another_file_gives_its_room_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
