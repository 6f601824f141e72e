/* SPDX-License-Identifier: MIT */
#include "elf_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "symbols/build_id.h"

static void only_lowercase_hex_is_plain(void **state)
{
	char longest[BUILD_ID_MAX_HEX + 3] = "";

	assert_true(build_id_is_plain("01020304"));
	assert_true(build_id_is_plain("19f3407c5a037f5489846574c78808a31ffdda3e"));
	assert_false(build_id_is_plain(""));
	assert_false(build_id_is_plain("010203"));
	assert_false(build_id_is_plain("010203040"));
	assert_false(build_id_is_plain("0102030A"));
	assert_false(build_id_is_plain("../../etc/passwd"));
	assert_false(build_id_is_plain("01020304/../05060708"));
	assert_false(build_id_is_plain("01020304\n"));
	memset(longest, 'a', BUILD_ID_MAX_HEX);
	assert_true(build_id_is_plain(longest));
	memset(longest, 'a', BUILD_ID_MAX_HEX + 2);
	assert_false(build_id_is_plain(longest));
}

/* An image with one section of notes; the class is that of ident. */
static int write_notes(unsigned char class, unsigned char order, const void *notes, size_t size)
{
	int fd = memfd_create("notes", MFD_CLOEXEC);
	bool big = order == ELFDATA2MSB;
	Elf64_Ehdr wide = {.e_ident = {0x7f, 'E', 'L', 'F', class, order}};
	Elf32_Ehdr narrow = {.e_ident = {0x7f, 'E', 'L', 'F', class, order}};
	uint16_t one = big ? htobe16(1) : htole16(1);

	wide.e_shoff = big ? htobe64(64) : htole64(64);
	narrow.e_shoff = big ? htobe32(64) : htole32(64);
	wide.e_shnum = narrow.e_shnum = one;
	wide.e_shentsize = big ? htobe16(sizeof(Elf64_Shdr)) : htole16(sizeof(Elf64_Shdr));
	narrow.e_shentsize = big ? htobe16(sizeof(Elf32_Shdr)) : htole16(sizeof(Elf32_Shdr));
	Elf64_Shdr s = {.sh_type = big ? htobe32(SHT_NOTE) : htole32(SHT_NOTE),
		.sh_offset = big ? htobe64(256) : htole64(256),
		.sh_size = big ? htobe64(size) : htole64(size)};
	Elf32_Shdr t = {.sh_type = s.sh_type,
		.sh_offset = big ? htobe32(256) : htole32(256),
		.sh_size = big ? htobe32((uint32_t)size) : htole32((uint32_t)size)};
	if (class == ELFCLASS64) {
		assert_int_equal(pwrite(fd, &wide, sizeof(wide), 0), sizeof(wide));
		assert_int_equal(pwrite(fd, &s, sizeof(s), 64), sizeof(s));
	} else {
		assert_int_equal(pwrite(fd, &narrow, sizeof(narrow), 0), sizeof(narrow));
		assert_int_equal(pwrite(fd, &t, sizeof(t), 64), sizeof(t));
	}
	assert_int_equal(pwrite(fd, notes, size, 256), size);
	return fd;
}

static void it_is_found_in_all_forms(void **state)
{
	static const unsigned char big_note[] = "\0\0\0\4\0\0\0\4\0\0\0\3GNU\0\1\2\3\4";

	for (unsigned char class = ELFCLASS32; class <= ELFCLASS64; class ++) {
		int fd = write_notes(class, ELFDATA2LSB, elf_note, sizeof(elf_note) - 1);
		assert_int_equal(build_id_check(fd, "01020304"), 0);
		assert_int_equal(build_id_check(fd, "01020305"), -ESTALE);
		assert_int_equal(build_id_check(fd, "0102030405"), -ESTALE);
		close(fd);
		fd = write_notes(class, ELFDATA2MSB, big_note, sizeof(big_note) - 1);
		assert_int_equal(build_id_check(fd, "01020304"), 0);
		close(fd);
	}
}

static void it_stands_behind_other_notes(void **state)
{
	char notes[256] = "\4\0\0\0\5\0\0\0\1\0\0\0GNU\0abcde\0\0";
	int fd;

	memcpy(notes + 24, elf_note, sizeof(elf_note) - 1);
	fd = write_notes(ELFCLASS64, ELFDATA2LSB, notes, 24 + sizeof(elf_note) - 1);
	assert_int_equal(build_id_check(fd, "01020304"), 0);
	close(fd);
}

static void what_is_broken_has_none(void **state)
{
	static const char junk[] = "\4\0\0\0\xff\xff\xff\xff\3\0\0\0GNU\0\1\2\3\4";
	int fd = write_notes(ELFCLASS64, ELFDATA2LSB, junk, sizeof(junk) - 1);

	assert_int_equal(build_id_check(fd, "01020304"), -ENODATA);
	close(fd);
	fd = write_notes(ELFCLASS64, ELFDATA2LSB, elf_note, sizeof(elf_note) - 1);
	assert_int_equal(ftruncate(fd, 100), 0); /* in the section's header */
	assert_int_equal(build_id_check(fd, "01020304"), -ENODATA);
	assert_int_equal(ftruncate(fd, 40), 0); /* in the file's */
	assert_int_equal(build_id_check(fd, "01020304"), -ENOEXEC);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(build_id_check(fd, "01020304"), -ENOEXEC);
	assert_int_equal(pwrite(fd, "<html>no such file, sorry</html>", 32, 0), 32);
	assert_int_equal(build_id_check(fd, "01020304"), -ENOEXEC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_lowercase_hex_is_plain),
		cmocka_unit_test(it_is_found_in_all_forms),
		cmocka_unit_test(it_stands_behind_other_notes),
		cmocka_unit_test(what_is_broken_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
