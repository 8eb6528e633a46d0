"""What shell commands reach for, by the forms that attackers' one-liners take (MITRE ATT&CK T1059, T1105)."""

# ruff: noqa: E501 - each form is one pattern

from __future__ import annotations

import re

SHEBANG = re.compile(
    r"\A\ufeff?#![ \t]*[^\n]{0,200}?\b((?:ba|da|z|k|c|tc|a|fi)?sh|python[\d.]*|perl|ruby|node|php|osascript)\b"
)
# What builds of images clear away: lists and caches of packages, and what they unpacked
SPARE = r"(?!\S*\.\.)(?:(?:/var/(?:lib/apt|lib/dpkg|cache|tmp|log)|/tmp|/(?:root|home/\w+)/\.cache|(?:~|\$\{?HOME\}?)/\.(?:cache|npm|cargo|conda)|/opt|/usr/(?:local|share|src))/[\w.*]|/(?:app|build|content|src|workspace)\b)"
RUNNER = r"(?:(?:sudo|env|exec|nohup)\s{1,9}){0,3}(?:[\w./]{0,80}/)?(?:(?:ba|da|z|k|c|a)?sh|python[\d.]*|perl|ruby|node|php)\b"
HOSTILE: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(form))
    for what, form in (
        ("what is fetched or decoded is run", rf"\b(?:curl|wget|fetch|base64|base32|xxd|openssl|gunzip|zcat|rev|nc|ncat|dig|echo|printf)\b[^\n;&]{{0,500}}\|\s*{RUNNER}"),
        ("what is fetched is run", rf"(?:{RUNNER}\s+-c|\beval|\bsource|\bexec|{RUNNER}|(?<![\w/])\.)\s+[\"']?(?:\$\(|`|<\(|<<<)\s*[\"']?\$?\(?\s*(?:curl|wget|fetch|base64|echo|printf|xxd)\b"),
        ("a file is fetched and run", r"(?s)\b(?:curl|wget)\b.{0,400}\bchmod\s+[^\n]{0,500}(?:\+x|[0-7]*7[0-7]*)\b"),
        ("a shell for someone else", r"/dev/(?:tcp|udp)/|\b(?:nc|ncat|netcat|socat)\b[^\n]{0,500}(?:\s-\w*[ec]\b|EXEC:)|\bbash\s+-i\b|\bmkfifo\b"),
        ("files are destroyed", (rf"\brm\s+-\w*[rf]\w*\s+(?:-\w+\s+){{0,4}}[\"']?(?!{SPARE})(?:/|~|\$\{{?HOME|\*|--no-preserve-root)" r"|\bdd\b[^\n]{0,500}\bof=/dev/|\bmkfs\b|:\(\)\s*\{")),
        ("secrets or start-up files are touched", r"\.ssh/|\bid_rsa\b|\.aws/|/etc/(?:passwd|shadow|cron|sudoers)|\.netrc\b|\.(?:bashrc|zshrc|bash_profile|profile)\b|\bcrontab\b|authorized_keys|LD_PRELOAD|169\.254\.169\.254"),
        ("files are sent away", r"\bcurl\b[^\n]{0,500}(?:\s(?:-d|--data\S*|-F|--form|-T|--upload-file)\s*\S*(?:@|\$\(|`)|\$\(|`)|\b(?:env|printenv|history)\b[^\n]{0,500}\|[^\n]{0,500}\b(?:curl|nc|wget)\b"),
        ("a program of Windows that runs what it is given", r"(?i)\b(?:powershell|pwsh|mshta|certutil|rundll32|regsvr32|bitsadmin|wscript|cscript)(?:\.exe)?\b"),
        ("packages from elsewhere", r"\bpip[\d.]*\s+install\b[^\n]{0,500}(?:--trusted-host|(?:--index-url|--extra-index-url|-i|-f|--find-links)[ =]+http:|\s\S*http://)"),
        ("what a variable holds is run", r"(?m)^\s*\$\{?\w+\}?\$\{?\w|\|\s*\"?\$\{?(?:SHELL|BASH)\b"),
        ("what is fetched is run by PowerShell", r"(?i)\b(?:IEX|Invoke-Expression)\b|\.DownloadString\s*\(|WScript\.Shell"),
        ("hidden code", rf"\\x[0-9a-f]{{2}}(?:\\x[0-9a-f]{{2}}){{7}}[^\n]{{0,500}}\|\s*{RUNNER}|\$\{{IFS\}}|\beval\s+[\"']?\$"),
    )
)  # fmt: skip
FETCHES = re.compile(
    r"\b(?:curl|wget|scp|rsync|ftp|nc|ncat|aria2c)\b|\b(?:python[\d.]*|perl|ruby|node)\s+-(?:c|e)\b"
)
# Packages by their address, or from an index of its own
INSTALLS = re.compile(
    r"\b(?:pip[\d.]*|uv|conda|mamba|npm)\s+(?:[\w-]+\s+)?(?:install|add)\b([^\n;&|]{0,500})"
)
ELSEWHERE = re.compile(r"(?<![\w+])(?:(?:git|hg|svn|bzr)\+|https?://|ftp://)[^\s\"'<>]{1,200}")
CLONES = re.compile(r"\bgit\s+clone\s[^\n;&|]{0,200}?((?:https?://|git@|ssh://)[^\s\"']{1,200})")
# What starts processes in JavaScript, Lua, R, Perl, Ruby, PHP, Java and Go, by each language's own reference
STARTS = re.compile(
    r"\bchild_process\b|\bDeno\.(?:run|Command)\b|\bos\.execute\s*\(|\bio\.popen\s*\(|\bsystem2?\s*\(\s*[\"'`$]"
    r"|\bshell_exec\s*\(|\bpassthru\s*\(|\bproc_open\s*\(|\bRuntime\.getRuntime\(\)\.exec|\bProcessBuilder\b"
    r"|\bexec\.Command\s*\(|\bKernel\.(?:system|exec)\b|\bqx[/{(]"
)


def packages_from(text: str) -> list[str]:
    """Addresses from which commands install packages: of one, of a repository, or of an index."""
    return [one for line in INSTALLS.findall(text) for one in ELSEWHERE.findall(line)]


def fetches(text: str) -> list[str]:
    """What commands fetch, as far as their words tell: programs that do, packages by address, repositories."""
    found = [f"packages from {one}" for one in packages_from(text)]
    found += [f"a clone of {one}" for one in CLONES.findall(text)]
    program = FETCHES.search(text)
    return [*found, program.group()] if program else found


def starts(text: str) -> list[tuple[int, str]]:
    """Line and words of each place where a source of another language starts a process."""
    return [(text.count("\n", 0, one.start()) + 1, one.group()) for one in list(STARTS.finditer(text))[:5]]


def hostile(text: str) -> list[tuple[int, str]]:
    """Line and words of each command that no model needs."""
    found: list[tuple[int, str]] = []
    for what, form in HOSTILE:
        found += ((text.count("\n", 0, one.start()) + 1, what) for one in list(form.finditer(text))[:5])
    return found
