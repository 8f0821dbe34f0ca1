"""Average precision by VOC's, ILSVRC's and COCO's rules, recall of proposals, accuracy of classifiers."""
