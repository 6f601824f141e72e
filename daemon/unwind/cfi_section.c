// SPDX-License-Identifier: MIT
#include "unwind/cfi_section.h"

#include <dwarf.h>
#include <errno.h>

#define ADDRESS_SIZE   8
#define LONG_LENGTH    0xffffffffU /* a length of 8 bytes follows */
#define FORMAT_MASK    0x0f
#define RELATIVE_MASK  0x70
#define AUGMENTED_MARK 'z'

/* ---- pointers ----------------------------------------------------------------------------- */

static uint64_t read_format(struct reader *r, uint8_t encoding)
{
	switch (encoding & FORMAT_MASK) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return read_number(r, ADDRESS_SIZE);
	case DW_EH_PE_uleb128:
		return read_uleb(r);
	case DW_EH_PE_udata2:
		return read_number(r, 2);
	case DW_EH_PE_udata4:
		return read_number(r, 4);
	case DW_EH_PE_sleb128:
		return (uint64_t)read_sleb(r);
	case DW_EH_PE_sdata2:
		return (uint64_t)read_signed(r, 2);
	case DW_EH_PE_sdata4:
		return (uint64_t)read_signed(r, 4);
	default:
		r->failed = true;
		return 0;
	}
}

bool cfi_pointer(const struct cfi_section *s, struct reader *r, uint8_t encoding, uint64_t data,
	uint64_t *value)
{
	uint64_t here = s->address + (uint64_t)(r->at - s->bytes);

	*value = read_format(r, encoding);
	switch (encoding & ~FORMAT_MASK) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		*value += here;
		break;
	case DW_EH_PE_datarel:
		if (!data)
			return false;
		*value += data;
		break;
	default:
		return false;
	}
	return !r->failed;
}

/* A personality routine's address is of no interest, only its size, and so it may be indirect. */
static void skip_pointer(const struct cfi_section *s, struct reader *r, uint8_t encoding)
{
	if (encoding == DW_EH_PE_omit)
		return;
	if ((encoding & RELATIVE_MASK) == DW_EH_PE_aligned) {
		uint64_t here = s->address + (uint64_t)(r->at - s->bytes);

		read_bytes(r, -here & (ADDRESS_SIZE - 1));
		read_bytes(r, ADDRESS_SIZE);
	} else {
		read_format(r, encoding);
	}
}

/* ---- entries ------------------------------------------------------------------------------ */

static int read_identity(const struct cfi_section *s, struct cfi_entry *entry, bool is_long)
{
	/* In .eh_frame it has 4 bytes also behind a long length (LSB 10.6.1.1.1). */
	size_t size = is_long && !s->eh_frame ? 8 : 4;
	uint64_t here = (uint64_t)(entry->body.at - s->bytes);
	uint64_t identity = read_number(&entry->body, size);
	uint64_t cie_identity = s->eh_frame ? 0 : size == 8 ? UINT64_MAX : UINT32_MAX;

	if (entry->body.failed)
		return -EBADMSG;
	entry->kind = identity == cie_identity ? CFI_CIE : CFI_FDE;
	entry->cie = s->eh_frame ? here - identity : identity;
	return 0;
}

int cfi_entry_at(const struct cfi_section *s, uint64_t offset, struct cfi_entry *entry)
{
	struct reader r;
	uint64_t length;
	bool is_long;

	*entry = (struct cfi_entry){.kind = CFI_TERMINATOR};
	if (offset >= s->size)
		return offset == s->size ? 0 : -EBADMSG;
	r = reader_of(s->bytes + offset, s->size - offset);
	length = read_number(&r, 4);
	is_long = length == LONG_LENGTH;
	if (is_long)
		length = read_number(&r, 8);
	if (r.failed || length > reader_left(&r))
		return -EBADMSG;
	if (!length)
		return 0;
	entry->body = reader_of(r.at, length);
	entry->next = (uint64_t)(r.at - s->bytes) + length;
	return read_identity(s, entry, is_long);
}

/* ---- CIE ---------------------------------------------------------------------------------- */

/* Letters say what the augmentation data holds, in their order. An unknown one makes it
 * unreadable, and so the addresses of the FDEs. */
static bool read_augmentation(
	const struct cfi_section *s, const char *letters, struct reader *data, struct cfi_cie *cie)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->encoding = read_byte(data);
			break;
		case 'L':
			read_byte(data);
			break;
		case 'P':
			skip_pointer(s, data, read_byte(data));
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B': /* arm64: return addresses are signed with the B key */
		case 'G': /* arm64: the frame's memory is tagged */
			break;
		default:
			return false;
		}
	}
	return !data->failed;
}

/* The longest in use has five letters. */
#define MAX_LETTERS 16

static const char *read_text(struct reader *r)
{
	size_t left = reader_left(r);
	const uint8_t *end = memchr(r->at, 0, left < MAX_LETTERS ? left : MAX_LETTERS);

	return end ? (const char *)read_bytes(r, (uint64_t)(end - r->at) + 1) : NULL;
}

/* .eh_frame never got versions 3 and 4, but some producers write its entries so. */
static bool read_sizes(struct reader *r, uint8_t version)
{
	if (version != 1 && version != 3 && version != 4)
		return false;
	/* Segment selectors, which nothing uses, would precede each address. */
	return version < 4 || (read_byte(r) == ADDRESS_SIZE && read_byte(r) == 0);
}

int cfi_cie_at(const struct cfi_section *s, uint64_t offset, struct cfi_cie *cie)
{
	struct cfi_entry entry;
	struct reader *r = &entry.body, data;
	const char *augmentation;
	uint8_t version;

	*cie = (struct cfi_cie){.encoding = DW_EH_PE_absptr};
	if (offset >= s->size || cfi_entry_at(s, offset, &entry) || entry.kind != CFI_CIE)
		return -EBADMSG;
	version = read_byte(r);
	augmentation = read_text(r);
	if (!augmentation || !read_sizes(r, version))
		return -EBADMSG;
	cie->code_align = read_uleb(r);
	cie->data_align = read_sleb(r);
	cie->return_register = version == 1 ? read_byte(r) : read_uleb(r);
	if (*augmentation == AUGMENTED_MARK) {
		uint64_t size = read_uleb(r);
		const uint8_t *bytes = read_bytes(r, size);

		data = bytes ? reader_of(bytes, size) : *r;
		cie->augmented = true;
		augmentation++;
	} else {
		data = reader_of(r->at, 0);
	}
	if (r->failed || !read_augmentation(s, augmentation, &data, cie))
		return -EBADMSG;
	cie->program = *r;
	return 0;
}

/* ---- FDE ---------------------------------------------------------------------------------- */

int cfi_fde_read(const struct cfi_section *s, const struct cfi_entry *entry,
	const struct cfi_cie *cie, struct cfi_fde *fde)
{
	struct reader r = entry->body;
	uint64_t size;

	/* The size is a plain number in the format of the address. */
	if (!cfi_pointer(s, &r, cie->encoding, 0, &fde->start) ||
		!cfi_pointer(s, &r, cie->encoding & FORMAT_MASK, 0, &size))
		return -EBADMSG;
	if (cie->augmented)
		read_bytes(&r, read_uleb(&r));
	fde->end = fde->start + size;
	fde->program = r;
	return r.failed || fde->end <= fde->start ? -EBADMSG : 0;
}
