/// `trellisd serve`.
struct Serve {
    init(_ configuration: Configuration) {}
    func run() -> Int32 { 1 }
}
struct Migrate {
    init(_ configuration: Configuration) {}
    func run() -> Int32 { 1 }
}
