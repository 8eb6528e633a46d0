"""Names of Python that reach out of the program: processes, the network, other code, other files.

CPython 3.13 library reference; for packages, their own documentation.
"""

# ruff: noqa: ISC004, E501 - each kind is one long pattern

from __future__ import annotations

import re

PROCESS = "a process"
NETWORK = "the network"
CODE = "other code"
PICKLE = "a pickle"
NATIVE = "machine code"
FILES = "files that are deleted"
INSIDE = "the interpreter's insides"

# Whole names, or a module with everything in it (".*"); the first that fits counts
REACHING: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?:{names})"))
    for kind, names in (
        (
            PROCESS,
            r"(?:os|posix|nt|_posixsubprocess)\.(?:system|popen\w*|exec\w+|spawn\w+|posix_spawnp?|startfile"
            r"|forkpty|fork_exec)|subprocess\.(?:Popen|run|call|check_\w+|get\w+|_execute_child)|(?:commands|popen2|pexpect|plumbum|sh|fabric|invoke)\..+"
            r"|pty\.(?:spawn|fork)|platform\.popen|asyncio\.(?:subprocess\.)?create_subprocess_\w+"
            r"|(?:distutils|setuptools\._distutils)\.spawn\..+|webbrowser\.\w+"
            r"|multiprocessing\.util\.spawnv_passfds|idlelib\..+|ensurepip\..+|venv\.(?:create|main|EnvBuilder)"
            r"|pip\.(?:main|_internal\.(?:main|cli\.main\.main))|get_ipython\(\)\.(?:system|getoutput|run_cell\w*)",
        ),
        (
            NATIVE,
            r"ctypes\.(?:CDLL|PyDLL|WinDLL|OleDLL|cdll|pydll|windll|oledll|LibraryLoader|memmove|string_at)"
            r"(?:\..+)?|ctypes\.util\..+|cffi\.FFI|_ctypes\..+|torch\.(?:ops|classes)\.load_library"
            r"|torch\.utils\.cpp_extension\.load\w*|numpy\.ctypeslib\.load_library|mmap\.PROT_EXEC",
        ),
        (
            NETWORK,
            r"socket\.(?:socket|gethostbyname\w*|getaddrinfo|create_connection|create_server|socketpair|fromfd)|_socket\..+"
            r"|urllib\.request\.(?:url\w+|Request|build_opener|\w*URLopener)|urllib2?\.(?:urlopen|urlretrieve|Request)|urllib3\.(?:PoolManager|ProxyManager|request|connection_from_url)"
            r"|http\.client\.HTTPS?Connection|http\.server\.(?:test|\w*Server)"
            r"|httplib\..+|(?:requests|httpx)\.(?:get|post|put|patch|delete|head|request|stream|Session|session"
            r"|Client|AsyncClient)|aiohttp\.(?:ClientSession|request|web\.run_app)|ftplib\..+|smtplib\..+|telnetlib\..+|poplib\..+|imaplib\..+"
            r"|nntplib\..+|paramiko\.(?:SSHClient|Transport|connect)|websockets?\..+|xmlrpc\..+|socketserver\..+|pycurl\..+|wget\.download"
            r"|asyncio\.(?:open_connection|start_server|open_unix_connection)|dns\.resolver\..+|scapy\..+"
            r"|torch\.hub\.(?:load_state_dict_from_url|download_url_to_file)",
        ),
        (
            CODE,
            r"builtins\.(?:exec|eval|execfile|breakpoint)|code\.(?:interact|Interactive\w+|compile_command)|codeop\.\w+|runpy\.\w+|marshal\.loads?"
            r"|types\.(?:FunctionType|CodeType|LambdaType)|imp\.load_\w+|zipimport\..+|timeit\.(?:timeit|repeat|Timer)"
            r"|cProfile\.run\w*|profile\.run\w*|bdb\.Bdb|pdb\.run\w*|trace\.Trace|_testcapi\..+|test\.support\..+"
            r"|importlib\.(?:util\.spec_from_file_location|machinery\.\w+Loader)"
            r"|torch\.hub\.(?:load|_load_local)|torch\.package\.PackageImporter|numpy\.f2py\.\w+\.\w+|pydoc\.locate"
            r"|pkgutil\.resolve_name",
        ),
        (
            PICKLE,
            r"(?:c|_)?[pP]ickle\.(?:loads?|_?Unpickler)|dill\.loads?|cloudpickle\.loads?|shelve\.\w+"
            r"|jsonpickle\.(?:decode|loads)|pandas\.read_pickle|yaml\.(?:unsafe_load\w*|UnsafeLoader)"
            r"|joblib\.load|torch\.storage\._load_from_bytes",
        ),
        (
            FILES,
            r"shutil\.(?:rmtree|move)|os\.(?:remove|unlink|rmdir|removedirs|truncate|chmod|chown|symlink|link)"
            r"|tensorflow\.(?:raw_ops\.(?:WriteFile|ReadFile)|io\.write_file)",
        ),
        (
            INSIDE,
            r"sys\.(?:meta_path|path_hooks)\.(?:insert|append|extend)|gc\.get_(?:objects|referrers)|sys\.(?:addaudithook|settrace|setprofile)",
        ),
    )
)
# What a chain of attributes goes through from any object to every class
LADDER = frozenset({"__base__", "__bases__", "__mro__", "__class__", "mro"})
BUILTIN = frozenset(
    {"__import__", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "getattr", "globals", "locals",
     "open", "setattr", "vars"}
)  # fmt: skip
# Where secrets of a user lie, and what starts programs later: no model reads or writes there
PRIVATE = re.compile(
    r"\.ssh[/\\]|[/\\]id_(?:rsa|ed25519|ecdsa)\b|\.aws[/\\]|\.kube[/\\]config|/etc/(?:passwd|shadow|sudoers|cron)"
    r"|/etc/(?:ld\.so\.preload|rc\.local|systemd|profile)|/dev/tcp/|\.netrc\b|authorized_keys|\.bash_history"
    r"|(?:^|[/~\\])\.(?:bashrc|bash_profile|zshrc|profile|pypirc|gnupg|mozilla)\b|wallet\.dat|\.git/hooks"
    r"|\.docker[/\\]config\.json|169\.254\.169\.254|/proc/self/(?:environ|mem)|CurrentVersion\\+Run\b"
    r"|[/\\]autostart[/\\]|LaunchAgents|\bpip\.conf\b|huggingface[/\\]token\b|google-chrome|Login Data\b|[/\\]Cookies$"
)
# Names that are a danger where they are called, not where a source speaks of them
CALLED_ONLY = ("types.", "timeit.", "importlib.", "mmap.")
# Variables from which other programs take what to run
RUNS_FROM = frozenset(
    {"BASH_ENV", "DYLD_INSERT_LIBRARIES", "LD_AUDIT", "LD_PRELOAD", "PERL5OPT", "PROMPT_COMMAND",
     "PYTHONBREAKPOINT", "PYTHONSTARTUP"}
)  # fmt: skip
# Variables that turn to whom other programs talk, or what they import
TURNS = frozenset(
    {"ALL_PROXY", "GIT_SSH_COMMAND", "HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "PIP_EXTRA_INDEX_URL",
     "PIP_INDEX_URL", "PYTHONPATH"}
)  # fmt: skip


def reach(name: str) -> str:
    """What a dotted name reaches for; empty where it is none of these."""
    return next((kind for kind, names in REACHING if names.fullmatch(name)), "")
