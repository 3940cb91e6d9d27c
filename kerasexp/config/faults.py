"""The named mistakes that published recipes carry. Every report names those it touched."""

FAULTS: dict[str, str] = {
    "test_as_validation": "The test set also served as validation set: it decided when to stop and when to lower the "
    "learning rate, so the test score is optimistic.",
    "adadelta_default_rate": "Adadelta ran at the Keras 3 default learning rate of 0.001 instead of 1.0. That alone "
    "explains hundreds of epochs and much of the gap to the data set's benchmark (94.6 %).",
    "last_epoch_weights": "The table was made with the weights of the last epoch, although the report says that the "
    "best ones were used.",
    "static_augmentation": "The augmented images were drawn once and repeated in every epoch, and the originals were "
    "left out.",
    "pooling_parameter_parity": "The network without pooling has 3.9 times the parameters of the CNN that it "
    "is compared with.",
    "single_seed": "The published number is one run; its spread between seeds is unknown.",
}
