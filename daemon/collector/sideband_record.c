// SPDX-License-Identifier: MIT
#include "collector/sideband_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

/* What sample_id_all puts behind every record, for our sample_type. */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, reserved;
};

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, length, pgoff;
	uint32_t major, minor;
	uint64_t inode, inode_generation;
	uint32_t prot, flags;
	char path[];
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct ksymbol_record {
	struct perf_event_header header;
	uint64_t address;
	uint32_t length;
	uint16_t type, flags;
	char name[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

/* Ids of tasks outside the opener's pid namespace come as 0, of dead ones as -1. */
static bool valid_id(uint32_t id)
{
	return id != 0 && id != UINT32_MAX;
}

static bool parse_mmap(const struct mmap2_record *m, struct record *out)
{
	out->kind = RECORD_MMAP;
	out->mmap.pid = m->pid;
	out->mmap.tid = m->tid;
	out->mmap.start = m->start;
	out->mmap.length = m->length;
	out->mmap.offset = m->pgoff;
	out->mmap.major = m->major;
	out->mmap.minor = m->minor;
	out->mmap.inode = m->inode;
	out->mmap.inode_generation = m->inode_generation;
	out->mmap.path = m->path;
	return valid_id(m->pid);
}

static bool parse_comm(const struct comm_record *c, struct record *out)
{
	out->kind = RECORD_COMM;
	out->comm.pid = c->pid;
	out->comm.tid = c->tid;
	out->comm.exec = c->header.misc & PERF_RECORD_MISC_COMM_EXEC;
	out->comm.comm = c->comm;
	return valid_id(c->pid) && valid_id(c->tid);
}

static bool parse_ksymbol(const struct ksymbol_record *k, struct record *out)
{
	out->kind = RECORD_KSYMBOL;
	out->ksymbol.address = k->address;
	out->ksymbol.length = k->length;
	out->ksymbol.unregister = k->flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER;
	out->ksymbol.name = k->name;
	return true;
}

/* Bytes that a record of this type has before its string (or its end); 0: not one of ours. */
static size_t fixed_size(uint32_t type)
{
	switch (type) {
	case PERF_RECORD_MMAP2:
		return sizeof(struct mmap2_record);
	case PERF_RECORD_COMM:
		return sizeof(struct comm_record);
	case PERF_RECORD_KSYMBOL:
		return sizeof(struct ksymbol_record);
	case PERF_RECORD_LOST:
		return sizeof(struct lost_record);
	default:
		return 0;
	}
}

/* Where the sample_id begins: usually at the end. But a KSYMBOL's size grows by one sample_id with
 * every event that the kernel sends it to (perf_event_ksymbol_output does not put header.size back
 * as perf_event_mmap_output does), so there it is looked for behind the name, padded to 8. */
static size_t sample_id_offset(const char *data, size_t size, size_t fixed)
{
	const struct perf_event_header *header = (const void *)data;

	if (header->type != PERF_RECORD_KSYMBOL)
		return size - sizeof(struct sample_id);
	size_t name = strnlen(data + fixed, size - fixed) + 1;
	return fixed + ((name + 7) & ~(size_t)7);
}

int sideband_parse(char *data, size_t size, struct record *out)
{
	const struct perf_event_header *header = (const void *)data;
	size_t fixed = fixed_size(header->type);
	struct sample_id id;
	bool wanted = true;

	if (!fixed)
		return 0;
	if (size < fixed + sizeof(id))
		return -EBADMSG;
	size_t at = sample_id_offset(data, size, fixed);
	if (at > size - sizeof(id))
		return -EBADMSG;
	memcpy(&id, data + at, sizeof(id));
	/* The string's padding ends where the id begins: this ends the string in any case. */
	data[at] = '\0';
	out->time = id.time;
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		wanted = parse_mmap((const void *)data, out);
		break;
	case PERF_RECORD_COMM:
		wanted = parse_comm((const void *)data, out);
		break;
	case PERF_RECORD_KSYMBOL:
		wanted = parse_ksymbol((const void *)data, out);
		break;
	case PERF_RECORD_LOST:
		out->kind = RECORD_LOST;
		out->lost.count = ((const struct lost_record *)(void *)data)->lost;
		break;
	}
	return wanted;
}
