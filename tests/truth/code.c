// SPDX-License-Identifier: MIT
#include "code.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/grow.h"

/* ---- files -------------------------------------------------------------------------------- */

/* The kernel's library is the same in each process; it lies in memory as it would in a file. */
static int open_vdso(void)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	_cleanup_close_ int fd = memfd_create("vdso", MFD_CLOEXEC);
	size_t size;

	if (fd < 0 || !header)
		return -1;
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	if (write(fd, header, size) != (ssize_t)size)
		return -1;
	return take_fd(fd);
}

static void code_file_free(struct code_file *file)
{
	elf_file_close(&file->elf);
	close_fd(file->fd);
	free(file->path);
	free(file);
}

static struct code_file *code_file_new(const char *path)
{
	struct code_file *file = calloc(1, sizeof(*file));
	struct stat st;

	if (!file)
		return NULL;
	file->path = strdup(path);
	file->fd = strcmp(path, "[vdso]") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
					  : open_vdso();
	if (!file->path || file->fd < 0 || fstat(file->fd, &st) || !S_ISREG(st.st_mode) ||
		elf_file_open(&file->elf, file->fd) || cfi_source_read(&file->source, &file->elf)) {
		code_file_free(file);
		return NULL;
	}
	file->device = st.st_dev;
	file->inode = st.st_ino;
	if (!file->source.header.size || cfi_header_read(&file->source.header, &file->header))
		file->header.count = 0;
	return file;
}

struct code_file *code_files_get(struct code_files *files, const char *path, uint64_t inode)
{
	struct code_file *file;
	struct stat st;

	if (strcmp(path, "[vdso]")) {
		if (stat(path, &st) || (inode && st.st_ino != inode))
			return NULL;
	} else {
		inode = 0;
	}
	for (size_t i = 0; i < files->count; i++) {
		file = files->files[i];
		if (!strcmp(file->path, path) && (!inode || file->inode == inode))
			return file;
	}
	if (grow(files->files, files->count, files->capacity, 1))
		return NULL;
	file = code_file_new(path);
	if (file)
		files->files[files->count++] = file;
	return file;
}

void code_files_free(struct code_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		code_file_free(files->files[i]);
	free(files->files);
	*files = (struct code_files){0};
}

uint64_t code_file_bias(const struct code_file *file, uint64_t start, uint64_t offset)
{
	uint64_t address;

	elf_file_vaddrs(&file->elf, &offset, &address, 1);
	return address == UINT64_MAX ? UINT64_MAX : start - address;
}

const uint8_t *code_bytes(const struct code_file *file, uint64_t address, size_t before)
{
	for (size_t i = 0; i < file->source.n_code; i++) {
		const struct cfi_code *code = &file->source.code[i];

		if (code->bytes && address < code->end && address >= code->start + before)
			return code->bytes + (address - code->start);
	}
	return NULL;
}

uint64_t code_function(const struct code_file *file, uint64_t address)
{
	size_t low = 0, high = file->header.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cfi_header_start(&file->header, middle) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? cfi_header_start(&file->header, low - 1) : 0;
}

/* ---- instructions (Intel's manual, volume 2: CALL) ------------------------------------------ */

/* The length of the operand that begins with a ModRM byte, if it is that of `call *operand` (/2);
 * 0 if it is another instruction. */
static size_t call_operand(const uint8_t *modrm)
{
	unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
	bool sib = mod != 3 && rm == 4;
	size_t length = 1 + sib;

	if ((modrm[0] >> 3 & 7) != 2)
		return 0;
	if (mod == 1)
		return length + 1;
	if (mod == 2 || (mod == 0 && rm == 5) || (mod == 0 && sib && (modrm[1] & 7) == 5))
		return length + 4;
	return length;
}

enum call_kind code_call_before(const struct code_file *file, uint64_t address, uint64_t *target)
{
	const uint8_t *code = code_bytes(file, address, 8);
	int32_t distance;

	/* The function may be the segment's first, or the call its last instruction. */
	if (!code) {
		code = code_bytes(file, address - 1, 7);
		code += code != NULL;
	}
	if (!code)
		return CALL_NONE;
	if (code[-5] == 0xe8) {
		memcpy(&distance, code - 4, sizeof(distance));
		*target = address + (uint64_t)(int64_t)distance;
		return CALL_DIRECT;
	}
	for (size_t length = 2; length <= 7; length++)
		if (code[-(ptrdiff_t)length] == 0xff &&
			call_operand(code - length + 1) == length - 1)
			return CALL_INDIRECT;
	return CALL_NONE;
}

bool code_is_restorer(const struct code_file *file, uint64_t address)
{
	/* mov $15, %rax, or with %eax; syscall */
	static const uint8_t long_one[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t short_one[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
	const uint8_t *code = code_bytes(file, address, 0);

	if (!code || !code_bytes(file, address + sizeof(long_one) - 1, 0))
		return false;
	return !memcmp(code, long_one, sizeof(long_one)) ||
	       !memcmp(code, short_one, sizeof(short_one));
}

bool code_changes_stack(const struct code_file *file, uint64_t address)
{
	enum { BEFORE = 48 };
	const uint8_t *code = code_bytes(file, address - 1, BEFORE);

	/* mov x(%reg), %rsp */
	for (int i = -BEFORE; code && i < -4; i++)
		if ((code[i] & 0xfe) == 0x48 && code[i + 1] == 0x8b && (code[i + 2] & 0xf8) == 0x60)
			return true;
	return false;
}

#define PROLOGUE 24 /* bytes: endbr64, six pushes and the move of rbp */

bool code_is_prologue_or_epilogue(const struct code_file *file, uint64_t address)
{
	static const struct {
		uint8_t length, bytes[3];
	} last[] = {
		{1, {0xc3}},					  /* ret */
		{1, {0xc9}},					  /* leave */
		{1, {0x5b}},					  /* pop %rbx */
		{1, {0x5d}},					  /* pop %rbp */
		{2, {0x41, 0x5c}},				  /* pop %r12 */
		{2, {0x41, 0x5d}},				  /* pop %r13 */
		{2, {0x41, 0x5e}},				  /* pop %r14 */
		{2, {0x41, 0x5f}},				  /* pop %r15 */
		{3, {0x48, 0x83, 0xc4}},			  /* add $.., %rsp */
		{3, {0x48, 0x81, 0xc4}}, {3, {0x48, 0x8d, 0x65}}, /* lea ..(%rbp), %rsp */
		{2, {0xf3, 0xc3}},				  /* rep ret */
	};
	const uint8_t *code = code_bytes(file, address, 0);
	uint64_t start = code_function(file, address);

	if (!code)
		return false;
	if (start && address - start < PROLOGUE)
		return true;
	for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++)
		if (code_bytes(file, address + last[i].length - 1U, 0) &&
			!memcmp(code, last[i].bytes, last[i].length))
			return true;
	return false;
}
