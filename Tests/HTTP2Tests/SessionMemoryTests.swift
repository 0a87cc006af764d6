import Glibc
import TestSupport
import Testing

@testable import HTTP2

@Suite("The memory of sessions")
struct SessionMemoryTests {
    /// What a session takes and gives back.
    private struct Session {
        let source: SessionMemory.Source

        init(_ memory: SessionMemory) { source = memory.begin() }

        func take(_ size: Int) throws -> UnsafeMutableRawPointer { try #require(SessionMemory.take(size, source)) }

        func resize(_ block: UnsafeMutableRawPointer?, _ size: Int) throws -> UnsafeMutableRawPointer {
            try #require(SessionMemory.resize(block, size, source))
        }

        func giveBack(_ block: UnsafeMutableRawPointer?) { SessionMemory.giveBack(block, source) }
    }

    @Test(
        "each block holds what it was asked for, is aligned, and is nobody else's",
        arguments: [0, 1, 15, 16, 17, 300, 1023, 1024, 1025, 70_000]
    )
    func blocks(size: Int) throws {
        let memory = SessionMemory()
        let session = Session(memory)
        defer { session.source.deallocate() }
        for _ in 0..<2 {
            let blocks = try (0..<50).map { _ in try session.take(size) }
            for (index, block) in blocks.enumerated() {
                #expect(UInt(bitPattern: block) % 16 == 0)
                memset(block, Int32(index), size)
            }
            for (index, block) in blocks.enumerated() {
                #expect(UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == UInt8(index) })
            }
            for block in blocks { session.giveBack(block) }
        }
    }

    @Test(
        "a block that is given back is the next of its size, of another session too, and is zeroed when that is wanted"
    )
    func kept() throws {
        let memory = SessionMemory()
        let (first, second) = (Session(memory), Session(memory))
        defer { for session in [first, second] { session.source.deallocate() } }
        let block = try first.take(100)
        memset(block, 0xff, 100)
        first.giveBack(block)
        let zeroed = try #require(SessionMemory.takeZeroed(10, 10, second.source))
        if SessionMemory.keptBytes > 0 { #expect(zeroed == block) }
        #expect(UnsafeRawBufferPointer(start: zeroed, count: 100).allSatisfy { $0 == 0 })
        second.giveBack(zeroed)
        second.giveBack(nil)
        #expect(SessionMemory.takeZeroed(.max, 2, second.source) == nil)
    }

    @Test("a block that grows keeps what it holds")
    func resize() throws {
        let memory = SessionMemory()
        let session = Session(memory)
        defer { session.source.deallocate() }
        var block = try session.resize(nil, 8)
        block.storeBytes(of: 0x0102_0304_0506_0708, as: UInt64.self)
        for size in [9, 16, 100, 1024, 2000, 100_000, 50] {
            block = try session.resize(block, size)
            #expect(block.load(as: UInt64.self) == 0x0102_0304_0506_0708)
        }
        session.giveBack(block)
    }

    @Test("a session that is let go of on another thread gives nothing to the loop's")
    func otherThread() async throws {
        let memory = SessionMemory()
        let own = Session(memory)
        defer { own.source.deallocate() }
        struct Box: @unchecked Sendable { let memory: SessionMemory }
        let box = Box(memory: memory)
        let isShared = try await onThread {
            let source = box.memory.begin()
            defer { source.deallocate() }
            return source.pointee != nil
        }
        #expect(!isShared && own.source.pointee != nil)
    }
}
