/* SPDX-License-Identifier: MIT */
#include "profile/legacy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/legacy_private.h"
#include "util/cleanup.h"

/* ---- frames of the measuring itself ------------------------------------------------------- */

/* Regular expressions of what stands below the user's own frames, to be dropped. */
#define ALLOCATORS                                                                                 \
	"calloc|cfree|malloc|free|memalign|do_memalign|(__)?posix_memalign|pvalloc|valloc|realloc" \
	"|tcmalloc::.*|tc_calloc|tc_cfree|tc_malloc|tc_free|tc_memalign|tc_posix_memalign"         \
	"|tc_pvalloc|tc_valloc|tc_realloc|tc_new|tc_delete|tc_newarray|tc_deletearray"             \
	"|tc_new_nothrow|tc_newarray_nothrow"                                                      \
	"|malloc_zone_malloc|malloc_zone_calloc|malloc_zone_valloc|malloc_zone_realloc"            \
	"|malloc_zone_memalign|malloc_zone_free"                                                   \
	"|runtime\\..*"                                                                            \
	"|BaseArena::.*|(::)?do_malloc_no_errno|(::)?do_malloc_pages|(::)?do_malloc"               \
	"|DoSampledAllocation|MallocedMemBlock::MallocedMemBlock|_M_allocate"                      \
	"|__builtin_(vec_)?delete|__builtin_(vec_)?new|__gnu_cxx::new_allocator::allocate"         \
	"|__libc_malloc|__malloc_alloc_template::allocate|allocate|cpp_alloc"                      \
	"|operator new(\\[\\])?|simple_alloc::allocate"
/* Of Go's runtime these stay: they stand in the middle of stacks. */
#define ALLOCATORS_KEPT "runtime\\.panic|runtime\\.reflectcall|runtime\\.call[0-9]*"
#define PROFILERS                                                              \
	"ProfileData::Add|ProfileData::prof_handler|CpuProfiler::prof_handler" \
	"|__pthread_sighandler|__restore"
#define LOCKS                                                                                  \
	"RecordLockProfileData|(base::)?RecordLockProfileData.*"                               \
	"|(base::)?SubmitMutexProfileData.*|(base::)?SubmitSpinLockProfileData.*"              \
	"|(base::Mutex::)?AwaitCommon.*|(base::Mutex::)?Unlock.*|(base::Mutex::)?UnlockSlow.*" \
	"|(base::Mutex::)?ReaderUnlock.*|(base::MutexLock::)?~MutexLock.*"                     \
	"|(Mutex::)?AwaitCommon.*|(Mutex::)?Unlock.*|(Mutex::)?UnlockSlow.*"                   \
	"|(Mutex::)?ReaderUnlock.*|(MutexLock::)?~MutexLock.*|(SpinLock::)?Unlock.*"           \
	"|(SpinLock::)?SlowUnlock.*|(SpinLockHolder::)?~SpinLockHolder.*"

/* Whether the sample types are these, with spaces between them. */
static bool has_types(const struct profile *p, const char *types)
{
	char joined[128] = "";
	size_t n = 0;
	for (size_t i = 0; i < p->n_sample_types && n < sizeof(joined); i++) {
		int added = snprintf(joined + n, sizeof(joined) - n, "%s%s", i ? " " : "",
			profile_text(p, p->sample_types[i].type));
		n += added > 0 ? (size_t)added : 0;
	}
	return !strcmp(joined, types);
}

static int name_own_frames(struct profile *p)
{
	static const char *const heaps[] = {"allocations size", "objects space",
		"inuse_objects inuse_space", "alloc_objects alloc_space",
		"alloc_objects alloc_space inuse_objects inuse_space"};
	const char *drop = has_types(p, "contentions delay") ? LOCKS : PROFILERS, *keep = "";
	for (size_t i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
		if (has_types(p, heaps[i])) {
			drop = ALLOCATORS;
			keep = ALLOCATORS_KEPT;
		}
	}
	int64_t drop_id = profile_string(p, drop), keep_id = profile_string(p, keep);
	if (drop_id < 0 || keep_id < 0)
		return -ENOMEM;
	p->drop_frames = (uint32_t)drop_id;
	p->keep_frames = (uint32_t)keep_id;
	return 0;
}

/* ---- one file ----------------------------------------------------------------------------- */

static void legacy_end(struct legacy *l)
{
	profile_free(l->p);
	free(l->samples);
	free(l->addresses);
	free(l->location_addresses);
	intern_free(&l->locations);
}

static int read_as(struct legacy *l, int (*read)(struct legacy *l), struct profile **out)
{
	l->p = profile_new();
	int r = l->p ? read(l) : -ENOMEM;
	if (r == 0)
		r = legacy_make_samples(l);
	if (r == 0)
		r = name_own_frames(l->p);
	if (r == 0)
		*out = take_ptr(l->p);
	legacy_end(l);
	return r;
}

int legacy_parse(struct profile **out, const void *data, size_t size, char *why, size_t why_size)
{
	int (*const readers[])(struct legacy * l) = {legacy_read_cpu, legacy_read_heap,
		legacy_read_count, legacy_read_thread, legacy_read_contention, legacy_read_java};
	struct legacy_patterns *patterns = NULL;
	int r = legacy_patterns_new(&patterns);
	if (r == 0)
		r = -ENODATA;
	for (size_t i = 0; r == -ENODATA && i < sizeof(readers) / sizeof(readers[0]); i++) {
		struct legacy l = {.data = data,
			.size = size,
			.patterns = patterns,
			.why = why,
			.why_size = why_size};
		r = read_as(&l, readers[i], out);
	}
	legacy_patterns_free(patterns);
	if (r == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	else if (r == -E2BIG)
		snprintf(why, why_size, "it has more than 2^31 entries of one kind");
	return r;
}
