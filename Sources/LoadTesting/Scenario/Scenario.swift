internal import Protobuf
internal import RPC

/// What is done to a server: flows, of which each iteration does one.
struct Scenario: Sendable {
    /// What is done once before the load begins; its saved values are there in all flows.
    var setup: [Step] = []
    var flows: [Flow]
    var feeders: [Feeder] = []
    /// Decodes responses for what is saved out of them; nil when requests are given in bytes.
    var pool: DescriptorPool?

    /// The calls of all flows by their labels, in order: what is counted apart.
    var calls: [CallStep] {
        var seen: Set<Int> = []
        return flows.flatMap(\.steps).compactMap { step in
            guard case .call(let call) = step, seen.insert(call.index).inserted else { return nil }
            return call
        }
    }

    /// A scenario of one call.
    init(call: CallStep, pool: DescriptorPool?) {
        flows = [Flow(name: call.label, weight: 1, steps: [.call(call)], needsVariables: call.needsVariables)]
        self.pool = pool
    }

    init(setup: [Step], flows: [Flow], feeders: [Feeder], pool: DescriptorPool) {
        self.setup = setup
        self.flows = flows
        self.feeders = feeders
        self.pool = pool
    }
}

/// Steps that one user does in turn.
struct Flow: Sendable {
    var name: String
    /// How often it is taken, compared with the other flows.
    var weight: Double
    var steps: [Step]
    /// Whether any of its steps has placeholders or saves something.
    var needsVariables: Bool

    /// Whether its time as a whole is of interest beside that of its one call.
    var isCounted: Bool { steps.count > 1 }
}

/// One thing that a user does.
enum Step: Sendable {
    case call(CallStep)
    /// Think time in nanoseconds: any length in the range, as likely as any other.
    case pause(ClosedRange<UInt64>)
}

/// A call and what is expected of it.
struct CallStep: Sendable {
    /// The shapes of gRPC's calls.
    enum Kind: String, Sendable, CaseIterable {
        case unary
        case server
        case client
        /// A request at a time, each after the answer to the one before.
        case bidi
    }

    /// Which of the scenario's counted calls it is; calls of one label share one.
    var index: Int
    var label: String
    var path: String
    var kind: Kind
    var request: Request
    /// How many requests a client-streaming or bidi call sends.
    var messages = 1
    var metadata: [(name: String, value: TextTemplate)] = []
    /// The metadata when it has no placeholders.
    var constantMetadata: Metadata?
    var deadline: UInt64?
    /// The statuses that are no errors.
    var expected: Set<StatusCode> = [.ok]
    /// Values to keep out of the (last) response: by name, where they are.
    var saves: [(name: String, path: ResponsePath)] = []
    /// The full name of the response's message; empty when it is not known.
    var output = ""
    /// Whether the flow goes on when the call failed.
    var continues = false

    /// What is sent.
    enum Request: Sendable {
        /// The same bytes each time.
        case bytes([UInt8])
        /// A message of this full name, made each time.
        case template(JSONTemplate, message: String)
    }

    var needsVariables: Bool {
        if case .template = request { return true }
        return constantMetadata == nil || !saves.isEmpty
    }

    /// The metadata now.
    func metadata(_ variables: inout Variables) throws(TemplateError) -> Metadata {
        var result = Metadata()
        for (name, value) in metadata { result.append(name, try value.text(&variables)) }
        return result
    }
}
