"""CRC-32C (Castagnoli), the checksum of TensorFlow's record files; zlib's is another one."""

from __future__ import annotations

import numpy as np

_BLOCK = 128
"""Bytes of a block that is taken side by side with others."""


def masked_crc32c(content: bytes) -> int:
    """Return the checksum that record files hold of some bytes.

    Example:
        >>> hex(crc32c(b"123456789")), hex(masked_crc32c(b"123456789"))
        ('0xe3069283', '0xc78ab0e5')
    """
    crc = crc32c(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes.

    Blocks of `_BLOCK` bytes are taken side by side, and joined: the register after bytes is linear in it and in them.
    """
    register = 0xFFFFFFFF
    blocks = len(content) // _BLOCK
    if blocks:
        head = np.frombuffer(content, np.uint8, blocks * _BLOCK).reshape(blocks, _BLOCK)
        registers = np.zeros(blocks, np.uint32)
        for column in head.T:
            registers = _step(registers, column)
        for block in registers.tolist():
            register = block ^ _shifted(register)
    for byte in content[blocks * _BLOCK :]:
        register = int(_TABLE[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _step(registers: np.ndarray, byte: np.ndarray | int) -> np.ndarray:
    return _TABLE[(registers ^ byte) & np.uint32(0xFF)] ^ (registers >> np.uint32(8))


def _shifted(register: int) -> int:
    """Return a register after `_BLOCK` bytes of zero."""
    return (
        _SHIFTS[0][register & 0xFF]
        ^ _SHIFTS[1][register >> 8 & 0xFF]
        ^ _SHIFTS[2][register >> 16 & 0xFF]
        ^ _SHIFTS[3][register >> 24]
    )


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & np.uint32(1), np.uint32(0x82F63B78) ^ (table >> np.uint32(1)), table >> np.uint32(1))
    return table


_TABLE = _table()


def _shifts() -> list[list[int]]:
    registers = np.concatenate([np.arange(256, dtype=np.uint32) << np.uint32(8 * place) for place in range(4)])
    for _ in range(_BLOCK):
        registers = _step(registers, 0)
    return registers.reshape(4, 256).tolist()


_SHIFTS = _shifts()
