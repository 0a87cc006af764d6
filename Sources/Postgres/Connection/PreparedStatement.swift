/// What one connection knows about one statement.
final class PreparedStatement {
    enum State {
        /// The server does not know it.
        case absent
        /// Parse was sent with this batch and its answer has not come. The batch itself can use the name: should the
        /// Parse be skipped, so is the rest of the batch. Others run the statement without a name meanwhile.
        case pending(Batch)
        /// The server knows it under `name`.
        case ready
    }

    private(set) var name: String
    private let base: String
    private var generation = 0
    var state = State.absent

    init(name: String) {
        base = name
        self.name = name
    }

    /// The server has acknowledged the Parse of `name`.
    func didPrepare(_ name: String) {
        if name == self.name { state = .ready }
    }

    /// The Parse of `name` failed or was skipped.
    func didNotPrepare(_ name: String) {
        if name == self.name { state = .absent }
    }

    /// Forgets the preparation; the next one gets a new name, since the server may still hold the old one.
    func invalidate() {
        generation += 1
        name = "\(base)#\(generation)"
        state = .absent
    }
}
