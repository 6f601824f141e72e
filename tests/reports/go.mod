module profd.example/reference

go 1.24.0

require github.com/google/pprof v0.0.0-20251114195745-4902fdda35c8

require github.com/ianlancetaylor/demangle v0.0.0-20250417193237-f615e6bd150b // indirect
