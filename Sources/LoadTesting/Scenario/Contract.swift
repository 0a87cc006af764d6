internal import Files
internal import Protobuf
internal import RPC
internal import RPCClient
internal import Terminal
internal import TrellisAPI

/// The methods of the server under test and the shapes of their messages.
struct Contract: Sendable {
    let pool: DescriptorPool
    /// Where it comes from, for messages.
    let source: String

    /// The contract of Trellis, which this program was built with.
    static let trellis = Contract(pool: .trellis, source: "the contract of Trellis")

    /// What a file made by `protoc --include_imports -o FILE` holds, a google.protobuf.FileDescriptorSet.
    init(file: String) throws(UsageError) {
        let bytes: [UInt8]
        do { bytes = try Files.read(file) } catch { throw UsageError(error.description) }
        do throws(WireError) {
            var files: [[UInt8]] = []
            var reader = WireReader(bytes)
            while let (number, value) = try reader.nextField() {
                if number == 1, case .bytes(let part) = value { files.append(Array(part)) }
            }
            self.init(pool: try DescriptorPool(files: files), source: "'\(file)'")
        } catch {
            throw UsageError(
                "'\(file)' is no descriptor set with all that it needs (\(error)); make it with "
                    + "protoc --include_imports -o FILE"
            )
        }
    }

    init(pool: DescriptorPool, source: String) {
        self.pool = pool
        self.source = source
    }

    /// The method of a path: `package.Service/Method`, `Service/Method`, with or without a slash before it.
    ///
    /// - Throws: `TemplateError` that names the method that may have been meant.
    func method(_ path: String) throws(TemplateError) -> MethodDescriptor {
        let parts = path.split(separator: "/")
        let found = pool.services.filter { service in
            parts.count == 2 && (service.fullName == parts[0] || service.fullName.hasSuffix(".\(parts[0])"))
        }
        if found.count > 1 {
            throw TemplateError(
                description:
                    "'\(path)' could be of \(found.map(\.fullName).joined(separator: " or ")): write it in full"
            )
        }
        if let method = found.first?.methods.first(where: { $0.name == parts[1] }) { return method }
        // What was meant may be written in full or by the last part of the service's name.
        let all = pool.services.flatMap { service in
            service.methods.map { (full: "\(service.fullName)/\($0.name)", short: "\(service.name)/\($0.name)") }
        }
        let guess =
            Suggestion.closest(to: path, among: all.map(\.full), limit: max(1, path.count / 3))
            ?? Suggestion.closest(to: path, among: all.map(\.short)).flatMap { guess in
                all.first { $0.short == guess }?.full
            } ?? all.first { $0.full.hasSuffix("/\(parts.last ?? "")") }?.full
        throw TemplateError(
            description: "there is no method '\(path)' in \(source)"
                + (guess.map { ": did you mean \($0)?" } ?? "; write it as package.Service/Method")
        )
    }
}

/// Asks a server for its contract: grpc.reflection.v1, or v1alpha where it has only that.
struct ReflectionClient {
    /// The most files that a server may describe itself with.
    static let filesMax = 10_000

    let channel: Channel
    var options = CallOptions()

    /// The files of all services, or of those that the paths name.
    func contract() async throws(UsageError) -> Contract {
        do {
            return try await contract(version: "v1")
        } catch  where error.code == .unimplemented {
            do { return try await contract(version: "v1alpha") } catch { throw Self.failure(error) }
        } catch {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: RPCError) -> UsageError {
        UsageError(
            "the server does not tell its contract by reflection (\(error)): give a descriptor set with --protoset, "
                + "--contract trellis, or a request in bytes with --kind and --body"
        )
    }

    private func contract(version: String) async throws(RPCError) -> Contract {
        let call = channel.call("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo", options)
        var files: [String: FileDescriptor] = [:]
        var order: [String] = []
        guard case .listServicesResponse(let list) = try await ask(call, .listServices("*")) else {
            throw RPCError(.internal, "reflection answers something else than a list of services")
        }
        for service in list.service {
            try take(try await ask(call, .fileContainingSymbol(service.name)), &files, &order)
        }
        while let missing = files.values.flatMap(\.dependencies).first(where: { files[$0] == nil }) {
            try take(try await ask(call, .fileByFilename(missing)), &files, &order)
            guard files[missing] != nil else {
                throw RPCError(.internal, "reflection does not give '\(missing)', which another file imports")
            }
        }
        call.finishSending()
        call.cancel()
        let serialized = Self.sorted(order, files).compactMap { files[$0]?.serialized }
        do throws(WireError) {
            return Contract(pool: try DescriptorPool(files: serialized), source: "what the server's reflection tells")
        } catch {
            throw RPCError(.internal, "what reflection tells does not fit together: \(error)")
        }
    }

    /// Each file after those that it imports.
    private static func sorted(_ names: [String], _ files: [String: FileDescriptor]) -> [String] {
        var result: [String] = []
        var seen: Set<String> = []
        func visit(_ name: String) {
            guard seen.insert(name).inserted else { return }
            for other in files[name]?.dependencies ?? [] { visit(other) }
            result.append(name)
        }
        for name in names { visit(name) }
        return result
    }

    private func take(
        _ answer: ServerReflectionResponse.MessageResponseChoice,
        _ files: inout [String: FileDescriptor],
        _ order: inout [String]
    ) throws(RPCError) {
        guard case .fileDescriptorResponse(let response) = answer else {
            throw RPCError(.internal, "reflection answers something else than files")
        }
        for bytes in response.fileDescriptorProto {
            let file: FileDescriptor
            do throws(WireError) { file = try FileDescriptor(serialized: bytes) } catch {
                throw RPCError(.internal, "reflection gives a file that cannot be read: \(error)")
            }
            guard files.updateValue(file, forKey: file.path) == nil else { continue }
            order.append(file.path)
            guard order.count <= Self.filesMax else { throw RPCError(.internal, "more than \(Self.filesMax) files") }
        }
    }

    private func ask(
        _ call: RawCall,
        _ question: ServerReflectionRequest.MessageRequestChoice
    ) async throws(RPCError) -> ServerReflectionResponse.MessageResponseChoice {
        await call.send(ServerReflectionRequest(messageRequest: question).serialized())
        guard let bytes = try await call.next() else {
            throw RPCError(.internal, "reflection ended without an answer")
        }
        let answer: ServerReflectionResponse.MessageResponseChoice?
        do throws(WireError) { answer = try ServerReflectionResponse(serialized: bytes).messageResponse } catch {
            throw RPCError(.internal, "reflection gives an answer that cannot be read: \(error)")
        }
        guard let answer else { throw RPCError(.internal, "reflection answers nothing") }
        if case .errorResponse(let error) = answer {
            let code = StatusCode(rawValue: Int(error.errorCode)) ?? .unknown
            throw RPCError(code == .ok ? .unknown : code, error.errorMessage)
        }
        return answer
    }
}
