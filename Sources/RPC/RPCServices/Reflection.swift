public import Protobuf
internal import RPC
public import RPCServer
internal import TrellisAPI

/// Tells gRPC tools what a server serves, by grpc.reflection.v1 and v1alpha, which are the same on the wire.
public final class Reflection: Sendable {
    private let pool: DescriptorPool

    /// Knows the files of a pool, which holds all that they import.
    public init(_ pool: DescriptorPool) {
        self.pool = pool
    }

    /// Answers each request of a stream in turn.
    func serve(
        _ requests: RequestStream<ServerReflectionRequest>,
        _ responses: ResponseWriter<ServerReflectionResponse>,
        services: [String]
    ) async throws {
        // What one stream was sent once is not sent to it again.
        var sent: Set<String> = []
        for try await request in requests {
            let answer = answer(request, services, &sent)
            try await responses.send(
                ServerReflectionResponse(
                    validHost: request.host,
                    originalRequest: request,
                    messageResponse: answer
                )
            )
        }
    }

    private func answer(
        _ request: ServerReflectionRequest,
        _ services: [String],
        _ sent: inout Set<String>
    ) -> ServerReflectionResponse.MessageResponseChoice {
        switch request.messageRequest {
        case .fileByFilename(let name): return files(pool.file(named: name), "file \(name)", &sent)
        case .fileContainingSymbol(let symbol): return files(pool.file(containing: symbol), symbol, &sent)
        case .fileContainingExtension(let wanted):
            let file = pool.file(extending: wanted.containingType, number: Int(wanted.extensionNumber))
            return files(file, "extension \(wanted.extensionNumber) of \(wanted.containingType)", &sent)
        case .allExtensionNumbersOfType(let type):
            let numbers = pool.extensionNumbers(of: type)
            guard !numbers.isEmpty || pool.messages[type] != nil else { return missing("message \(type)") }
            return .allExtensionNumbersResponse(
                ExtensionNumberResponse(baseTypeName: type, extensionNumber: numbers.map(Int32.init))
            )
        case .listServices:
            return .listServicesResponse(
                ListServiceResponse(service: services.map { ServiceResponse(name: $0) })
            )
        case nil:
            return .errorResponse(
                ErrorResponse(
                    errorCode: Int32(StatusCode.invalidArgument.rawValue),
                    errorMessage: "the request asks nothing; set one field of message_request"
                )
            )
        }
    }

    private func files(
        _ file: FileDescriptor?,
        _ what: String,
        _ sent: inout Set<String>
    ) -> ServerReflectionResponse.MessageResponseChoice {
        guard let file else { return missing(what) }
        // The file that was asked for is sent whether it was before or not.
        let needed = pool.closure(of: file).filter { $0.path == file.path || !sent.contains($0.path) }
        sent.formUnion(needed.map(\.path))
        return .fileDescriptorResponse(FileDescriptorResponse(fileDescriptorProto: needed.map(\.serialized)))
    }

    private func missing(_ what: String) -> ServerReflectionResponse.MessageResponseChoice {
        .errorResponse(
            ErrorResponse(errorCode: Int32(StatusCode.notFound.rawValue), errorMessage: "there is no \(what)")
        )
    }
}

extension Router {
    /// Registers grpc.reflection.v1 and v1alpha; they list the services that the router has when it is asked.
    public func register(reflection: Reflection) {
        for version in ["v1", "v1alpha"] {
            bidirectional("/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo") {
                [unowned self]
                (
                    requests: RequestStream<ServerReflectionRequest>,
                    responses: ResponseWriter<ServerReflectionResponse>,
                    _
                ) in
                try await reflection.serve(requests, responses, services: services)
            }
        }
    }
}
