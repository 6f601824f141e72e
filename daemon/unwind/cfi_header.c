// SPDX-License-Identifier: MIT
#include "unwind/cfi_header.h"

#include <dwarf.h>
#include <errno.h>

#define VERSION	       1
#define ENTRY	       8
#define TABLE_ENCODING (DW_EH_PE_datarel | DW_EH_PE_sdata4)

int cfi_header_read(const struct cfi_section *s, struct cfi_header *header)
{
	struct reader r = reader_of(s->bytes, s->size);
	uint8_t version = read_byte(&r);
	uint8_t frames_encoding = read_byte(&r);
	uint8_t count_encoding = read_byte(&r);
	uint8_t table_encoding = read_byte(&r);
	uint64_t count;

	*header = (struct cfi_header){.address = s->address};
	if (version != VERSION || !cfi_pointer(s, &r, frames_encoding, s->address, &header->frames))
		return -EBADMSG;
	if (count_encoding == DW_EH_PE_omit || table_encoding != TABLE_ENCODING ||
		!cfi_pointer(s, &r, count_encoding, s->address, &count) ||
		count > reader_left(&r) / ENTRY)
		return 0;
	header->table = r.at;
	header->count = count;
	return 0;
}

static uint64_t number(const struct cfi_header *header, size_t i, size_t field)
{
	struct reader r = reader_of(header->table + i * ENTRY + field, ENTRY / 2);

	return header->address + (uint64_t)read_signed(&r, ENTRY / 2);
}

uint64_t cfi_header_start(const struct cfi_header *header, size_t i)
{
	return number(header, i, 0);
}

uint64_t cfi_header_fde(const struct cfi_header *header, size_t i)
{
	return number(header, i, ENTRY / 2);
}
