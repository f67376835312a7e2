# The two commands of the README. Each does all set-up, and is quick when nothing changed.
.PHONY: demo test gpu docs fuzz asan sanitized tsan leaks overhead wheel-check setup build format lint clean

BUILD := build
# From nothing; PRESET=dev compiles file by file, which is faster after a change.
PRESET ?= unity
PYTHON := .venv/bin/python

# Threads that wait should sleep: beside other work, the default of spinning makes small models many times slower.
export OMP_WAIT_POLICY := PASSIVE

PROMPT ?= a red circle left of a blue star on a yellow background
SEED ?= 1
export PROMPT

demo: build
	$(BUILD)/bin/llmdit generate "$$PROMPT" --seed $(SEED) --steps 8 -o out/demo.png

# Without a GPU: what they compare with are the numbers of a CPU.
test: export CUDA_VISIBLE_DEVICES :=
test: build
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j 2
	$(PYTHON) -m pytest tests/python -n auto --maxprocesses 8 --dist worksteal

# The same on a GPU as on the CPU, where there is one and the torch package is built for it.
gpu: build
	LLMDIT_TEST_GPU=1 $(PYTHON) -m pytest tests/python/test_gpu.py

# The site, into build/docs/html; a warning is an error.
docs: build
	tools/setup.sh docs
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs $(BUILD)/docs/html

# Malformed files against every reader; longer by hand: make fuzz FUZZ_SECONDS=3600
FUZZ_SECONDS ?= 60
fuzz: sanitized
	$(PYTHON) tests/fuzz/run.py $(BUILD)/sanitize --seconds $(FUZZ_SECONDS)

# The C tests under the address, leak and undefined-behaviour sanitizers.
asan: sanitized
	ctest --test-dir $(BUILD)/sanitize -R '^c_' --output-on-failure --no-tests=error -j 2

# A second build of the library, by clang.
sanitized: setup
	tools/setup.sh fuzz
	cmake --preset sanitize
	cmake --build --preset sanitize

# One pipeline from eight threads under the thread sanitizer. libtorch is not built for it: what its own code does is left out, and its pool
# of threads, whose barriers the sanitizer does not know, is not used.
tsan: setup
	cmake --preset threads
	cmake --build --preset threads
	OMP_NUM_THREADS=1 TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$(CURDIR)/tests/capi/tsan.supp" $(BUILD)/threads/bin/llmdit_c_threads_test

# A thousand cycles of generating and freeing, through C and through Python; and what the C tests and the C examples leave behind, as the leak
# sanitizer sees it from malloc and free alone, which needs no other build.
leaks: export LEAKS := $(shell readlink -f $$(gcc -print-file-name=libasan.so))
leaks: build
	LD_PRELOAD=$$LEAKS $(BUILD)/bin/llmdit_c_surface_test $(BUILD) examples/demo_model/loras/neon.safetensors
	LD_PRELOAD=$$LEAKS $(BUILD)/bin/llmdit_c_promises_test
	LD_PRELOAD=$$LEAKS $(BUILD)/bin/llmdit_c_threads_test
	mkdir -p out/leaks && cd out/leaks && for example in $(abspath $(BUILD))/bin/*_c; do LD_PRELOAD=$$LEAKS $$example || exit 1; done
	$(BUILD)/bin/llmdit_c_cycles_test 1000
	LLMDIT_TEST_CYCLES=1000 $(PYTHON) -m pytest tests/python/test_leaks.py -q

# What a call through C and Python costs over one through C++, and what the import costs.
overhead: build
	cmake --build $(BUILD) --target llmdit_overhead
	$(BUILD)/bin/llmdit_overhead
	$(PYTHON) tools/overhead/overhead.py

wheel-check: setup
	tools/wheel_check.sh $(PYTHON)

setup:
	tools/setup.sh

build: setup
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET)
	cmake --build $(BUILD)
	@# The module is found from .venv without an installation.
	@$(PYTHON) -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'llmdit-build.pth').write_text(str(pathlib.Path('$(BUILD)/python').resolve()) + '\n')"

format:
	.venv/bin/clang-format -i $$(git ls-files '*.cpp' '*.hpp')
	$(PYTHON) -m ruff format python tests tools docs/*.py

lint:
	.venv/bin/clang-format --dry-run -Werror $$(git ls-files '*.cpp' '*.hpp')
	$(PYTHON) -m ruff check python tests tools docs/*.py

clean:
	rm -rf $(BUILD) out
